"""The errors that operations raise, spelled as on the client.

The HTTP status and the wire code are the service's own (its model is asked when the error is serialized);
``status`` here is used where a service's model does not know the error.
"""

from __future__ import annotations

from typing import Any, ClassVar


class AwsError(Exception):
    """An error that the client is told: ``message`` in plain words, ``members`` as on the wire.

    ``members`` are what the error carries beside its message, such as ``resourceId``.
    """

    code: ClassVar[str] = "AwsError"
    fallback_status: ClassVar[int] = 400

    def __init_subclass__(cls, *, status: int = 0, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "code" not in cls.__dict__:
            cls.code = cls.__name__
        if status:
            cls.fallback_status = status

    def __init__(self, message: str, **members: Any) -> None:
        super().__init__(message)
        self.message = message
        self.members = members


# What any service answers ("Common Errors" of the AWS API references).
class AccessDeniedException(AwsError, status=403): ...


class ExpiredToken(AwsError, status=403): ...  # as the query services spell the next one


class ExpiredTokenException(AwsError, status=403): ...


class IncompleteSignatureException(AwsError): ...


class InternalFailureException(AwsError, status=500): ...


class InvalidSignatureException(AwsError, status=403): ...


class MissingAuthenticationTokenException(AwsError, status=403): ...


class NotImplementedException(AwsError, status=501): ...


class RequestEntityTooLargeException(AwsError, status=413): ...


class RequestExpired(AwsError): ...


class SerializationException(AwsError): ...


class ServiceUnavailableException(AwsError, status=503): ...


class ThrottlingException(AwsError): ...


class UnknownOperationException(AwsError, status=404): ...


class UnrecognizedClientException(AwsError, status=403): ...


class ValidationError(AwsError): ...


class ValidationException(AwsError): ...


# The registry, its data planes and jobs (error shapes of iot, iot-data and iot-jobs-data).
class CertificateConflictException(AwsError, status=409): ...


class CertificateStateException(AwsError, status=406): ...


class CertificateValidationException(AwsError): ...


class ConflictException(AwsError, status=409): ...


class ConflictingResourceUpdateException(AwsError, status=409): ...


class DeleteConflictException(AwsError, status=409): ...


class ForbiddenException(AwsError, status=403): ...


class GatewayTimeoutException(AwsError, status=504): ...


class IndexNotReadyException(AwsError): ...


class InternalException(AwsError, status=500): ...


class InternalServerException(AwsError, status=500): ...


class InvalidAggregationException(AwsError): ...


class InvalidQueryException(AwsError): ...


class InvalidRequestException(AwsError): ...


class InvalidResponseException(AwsError): ...


class InvalidStateTransitionException(AwsError, status=409): ...


class LimitExceededException(AwsError, status=410): ...


class MalformedPolicyException(AwsError): ...


class MethodNotAllowedException(AwsError, status=405): ...


class NotConfiguredException(AwsError, status=404): ...


class RegistrationCodeValidationException(AwsError): ...


class ResourceAlreadyExistsException(AwsError, status=409): ...


class ResourceNotFoundException(AwsError, status=404): ...


class ResourceRegistrationFailureException(AwsError): ...


class ServiceQuotaExceededException(AwsError, status=402): ...


class SqlParseException(AwsError): ...


class TaskAlreadyExistsException(AwsError): ...


class TerminalStateException(AwsError, status=410): ...


class TransferAlreadyCompletedException(AwsError, status=410): ...


class TransferConflictException(AwsError, status=409): ...


class UnauthorizedException(AwsError, status=401): ...


class UnsupportedDocumentEncodingException(AwsError, status=415): ...


class VersionConflictException(AwsError, status=409): ...


class VersionsLimitExceededException(AwsError, status=409): ...


# Identities (error shapes of iam).
class ConcurrentModificationException(AwsError, status=409): ...


class EntityAlreadyExistsException(AwsError, status=409): ...


class EntityTemporarilyUnmodifiableException(AwsError, status=409): ...


class InvalidInputException(AwsError): ...


class NoSuchEntityException(AwsError, status=404): ...


class PolicyEvaluationException(AwsError, status=500): ...


class PolicyNotAttachableException(AwsError): ...


class ServiceFailureException(AwsError, status=500): ...


class ServiceNotSupportedException(AwsError, status=404): ...


class UnmodifiableEntityException(AwsError): ...


# The security token service (error shapes of sts).
class ExpiredTradeInTokenException(AwsError): ...


class IDPCommunicationErrorException(AwsError): ...


class IDPRejectedClaimException(AwsError, status=403): ...


class InsufficientSessionLifetimeException(AwsError): ...


class InvalidAuthorizationMessageException(AwsError): ...


class InvalidContextAssertionException(AwsError): ...


class InvalidIdentityTokenException(AwsError): ...


class InvalidSubjectCredentialsException(AwsError): ...


class JWTPayloadSizeExceededException(AwsError): ...


class MalformedPolicyDocumentException(AwsError): ...


class OutboundWebIdentityFederationDisabledException(AwsError, status=403): ...


class PackedPolicyTooLargeException(AwsError): ...


class RegionDisabledException(AwsError, status=403): ...


class SessionDurationEscalationException(AwsError, status=403): ...


# Server certificates (error shapes of acm).
class InvalidArgsException(AwsError): ...


class InvalidArnException(AwsError): ...


class InvalidDomainValidationOptionsException(AwsError): ...


class InvalidParameterException(AwsError): ...


class InvalidTagException(AwsError): ...


class RequestInProgressException(AwsError): ...


class ResourceInUseException(AwsError): ...


class TagPolicyException(AwsError): ...


class TooManyTagsException(AwsError): ...


# The MQTT device plane of fleet provisioning (error shapes of the project's own iotidentity model).
class AccessDenied(AwsError, status=403): ...


class InternalError(AwsError, status=500): ...


class InvalidCertificateOwnershipToken(AwsError): ...


class InvalidCertificateSigningRequest(AwsError): ...


class InvalidParameters(AwsError): ...


class ResourceNotFound(AwsError, status=404): ...


class Throttling(AwsError, status=429): ...

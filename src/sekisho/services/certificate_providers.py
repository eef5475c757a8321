"""Certificate providers: a function that signs what devices ask for over MQTT, instead of the node's CA.

Source: AWS IoT Developer Guide, "Self-manage client certificate signing"; the `iot` service model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sekisho.aws.errors import InvalidRequestException, LimitExceededException
from sekisho.logic.function_names import why_not_callable
from sekisho.services.call import Call
from sekisho.services.default_provider import DEFAULT, KIND, OPERATION, default_provider
from sekisho.services.tagging import drop_tags, put_tags
from sekisho.services.taken import repeats, same_or_taken
from sekisho.services.work import Document


async def create_certificate_provider(
    call: Call,
    certificateProviderName: str,
    lambdaFunctionArn: str,
    accountDefaultForOperations: Sequence[str],
    clientToken: str | None = None,
    tags: Sequence[Mapping[str, str]] | None = None,
) -> Document:
    name = certificateProviderName
    _check_function(call, lambdaFunctionArn)
    existing = await call.work.get(KIND, name)
    if existing is not None:
        same = repeats(existing, clientToken)
        words = f"Certificate provider {name} already exists"
        return same_or_taken(existing, same, "certificateProvider", name, words)
    other = await default_provider(call)
    if other is not None:
        raise LimitExceededException(
            f"The account has the certificate provider {other['certificateProviderName']}; it can have one"
        )
    arn = call.arn(KIND, name)
    await put_tags(call, arn, tags)
    await call.work.put(DEFAULT, OPERATION, {"certificateProviderName": name})
    return await call.work.put(
        KIND,
        name,
        {
            "certificateProviderName": name,
            "certificateProviderArn": arn,
            "lambdaFunctionArn": lambdaFunctionArn,
            "accountDefaultForOperations": list(accountDefaultForOperations),
            "clientToken": clientToken,
        },
    )


async def describe_certificate_provider(call: Call, certificateProviderName: str) -> Document:
    return await call.require(KIND, certificateProviderName)


async def update_certificate_provider(
    call: Call,
    certificateProviderName: str,
    lambdaFunctionArn: str | None = None,
    accountDefaultForOperations: Sequence[str] | None = None,
) -> Document:
    provider = await call.require(KIND, certificateProviderName)
    if lambdaFunctionArn is not None:
        _check_function(call, lambdaFunctionArn)
        provider["lambdaFunctionArn"] = lambdaFunctionArn
    # The one operation that there is, so that there is nothing else to set it to.
    return await call.work.put(KIND, certificateProviderName, provider)


async def list_certificate_providers(
    call: Call, nextToken: str | None = None, ascendingOrder: bool | None = None
) -> Document:
    """One at most, so that neither an order nor a second page means anything."""
    if nextToken:
        raise InvalidRequestException("nextToken is not one that this operation gave")
    provider = await default_provider(call)
    return {"certificateProviders": [] if provider is None else [provider]}


async def delete_certificate_provider(call: Call, certificateProviderName: str) -> None:
    provider = await call.require(KIND, certificateProviderName)
    await drop_tags(call, provider["certificateProviderArn"])
    await call.work.delete(DEFAULT, OPERATION)
    await call.work.delete(KIND, certificateProviderName)


def _check_function(call: Call, arn: str) -> None:
    why_not = why_not_callable(arn, call.region, call.account)
    if why_not is not None:
        raise InvalidRequestException(f"lambdaFunctionArn: {why_not}")

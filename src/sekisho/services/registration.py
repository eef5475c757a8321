"""RegisterThing: a template and its parameters, carried out at once."""

from __future__ import annotations

from collections.abc import Mapping

from sekisho.aws.errors import InvalidRequestException
from sekisho.logic.templates import TemplateError, expand, parse_template
from sekisho.services.call import Call
from sekisho.services.provisioning import carry_out
from sekisho.services.work import Document


async def register_thing(
    call: Call, templateBody: str, parameters: Mapping[str, str] | None = None
) -> Document:
    try:
        plan = expand(parse_template(templateBody, "REGISTER_THING"), parameters or {}, {})
    except TemplateError as error:
        raise InvalidRequestException(f"Invalid provisioning template: {error}") from None
    outcome = await carry_out(call, plan)
    pem = outcome.certificate["certificatePem"] if outcome.certificate is not None else None
    return {"certificatePem": pem, "resourceArns": outcome.arns}

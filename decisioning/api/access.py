"""Who may call what: the Api-Key header, and scopes as permissions."""

from __future__ import annotations

from typing import Any, cast

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from decisioning import credentials

KEYWORD = "Api-Key"


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Api-Key <prefix>.<secret>`."""

    def authenticate(self, request: Request) -> tuple[credentials.Credential, None] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        keyword, _, key = header.partition(" ")
        if keyword.lower() != KEYWORD.lower():
            return None
        credential = credentials.check(key.strip())
        if credential is None:
            raise AuthenticationFailed("This API key is not known, or has been revoked.")
        return credential, None

    def authenticate_header(self, request: Request) -> str:
        return KEYWORD


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """How the schema names the key, so that the try-it page can ask for one."""

    target_class = ApiKeyAuthentication
    name = "ApiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "apiKey", "in": "header", "name": "Authorization",
            "description": f"{KEYWORD} <prefix>.<secret>, the word {KEYWORD} included",
        }  # fmt: skip


class Scoped(BasePermission):
    """The key has the scope that the view names."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        scope: str = cast(Any, view).scope
        self.message = f"This API key does not have the scope {scope}."
        return isinstance(request.user, credentials.Credential) and scope in request.user.scopes

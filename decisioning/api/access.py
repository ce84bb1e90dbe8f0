"""Who may call what: the Api-Key header, and scopes as permissions."""

from __future__ import annotations

from typing import Any, cast

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


class Scoped(BasePermission):
    """The key has the scope that the view names."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        scope: str = cast(Any, view).scope
        self.message = f"This API key does not have the scope {scope}."
        return isinstance(request.user, credentials.Credential) and scope in request.user.scopes

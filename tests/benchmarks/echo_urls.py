"""The product's addresses and the benchmarks' floors: views that validate the same question, or parse the same events,
and do no more."""

from typing import Any

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from console.urls import urlpatterns as product
from decisioning.api import problems
from decisioning.api.serializers import DecisionQuestion


class Echo(APIView):
    permission_classes = ()

    def post(self, request: Request) -> Response:
        question = DecisionQuestion(data=request.data)
        question.is_valid(raise_exception=True)
        return Response(question.validated_data)


class EchoSignals(APIView):
    permission_classes = ()
    parser_classes = (problems.Parser,)
    renderer_classes = (problems.Renderer,)

    def post(self, request: Request) -> Response:
        content: Any = request.data
        return Response({"accepted": len(content["events"]), "duplicates": 0, "rejected": []}, status=202)


urlpatterns = [path("echo", Echo.as_view()), path("echo-signals", EchoSignals.as_view()), *product]

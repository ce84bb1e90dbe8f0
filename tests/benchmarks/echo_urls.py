"""The product's addresses and the benchmark's peer: a DRF view that validates the same request and echoes it."""

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from console.urls import urlpatterns as product
from decisioning.api.serializers import DecisionQuestion


class Echo(APIView):
    permission_classes = ()

    def post(self, request: Request) -> Response:
        question = DecisionQuestion(data=request.data)
        question.is_valid(raise_exception=True)
        return Response(question.validated_data)


urlpatterns = [path("echo", Echo.as_view()), *product]

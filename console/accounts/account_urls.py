"""The addresses of signing in, of one's own sign-in, and of the roles; what answers there lives in console.views."""

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, path

from console.views import account, roles, sign_in

accounts: list[URLPattern] = [
    path("sign-in/", sign_in.sign_in, name="sign_in"),
    path("sign-in/code/", sign_in.code, name="sign_in_code"),
    path("sign-in/single/", sign_in.single, name="single_sign_on"),
    path("sign-in/single/back/", sign_in.single_back, name="single_sign_on_back"),
    path("sign-out/", LogoutView.as_view(next_page="sign_in"), name="sign_out"),
    path("you/", account.detail, name="your_sign_in"),
    path("you/password/", account.password, name="your_password"),
    path("you/phone/", account.phone, name="your_phone"),
    path("you/phone/remove/", account.remove_phone, name="your_phone_remove"),
    path("you/recovery-codes/", account.recovery_codes, name="your_recovery_codes"),
    path("roles/", roles.index, name="roles"),
]

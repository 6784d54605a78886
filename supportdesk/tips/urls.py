from django.urls import path

from supportdesk.tips import views

app_name = "tips"
urlpatterns = [
    path("", views.tips, name="tips"),
    path("asked/", views.asked, name="asked"),
    path("confirm/", views.confirm, name="confirm"),
    path("confirm/<str:token>/", views.follow, name="follow"),
    path("unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe"),
]

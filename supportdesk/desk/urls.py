from django.urls import path

from supportdesk.desk import acts, calendar, ends, features, files, following, held, merging, notices, views

app_name = "desk"
urlpatterns = [
    path("", views.queue, name="queue"),
    path("find/", views.find, name="find"),
    path("queue/<slug:view>/", views.queue, name="view"),
    path("calendar/", calendar.calendar, name="calendar"),
    path("held/", held.held_mail, name="held"),
    path("held/<int:pk>/attach/", held.attach, name="attach"),
    path("held/<int:pk>/discard/", held.discard, name="discard"),
    path("files/", files.upload, name="upload"),
    path("files/remove/", files.remove, name="remove_upload"),
    path("files/<int:pk>/", files.download, name="file"),
    path("notices/", notices.listed, name="notices"),
    path("notices/read/", notices.all_read, name="notices_read"),
    path("notices/settings/", notices.settings, name="notice_settings"),
    path("notices/<int:pk>/", notices.opened, name="notice"),
    path("incidents/<str:number>/", views.incident, name="incident"),
    path("incidents/<str:number>/take/", acts.take, name="take"),
    path("incidents/<str:number>/hand-over/", acts.hand_over, name="hand_over"),
    path("incidents/<str:number>/answer/", acts.answer, name="answer"),
    path("incidents/<str:number>/note/", acts.note, name="note"),
    path("incidents/<str:number>/close/", acts.close, name="close"),
    path("incidents/<str:number>/decline/", ends.decline, name="decline"),
    path("incidents/<str:number>/take-back/", ends.take_back, name="take_back"),
    path("incidents/<str:number>/reopen/", acts.reopen, name="reopen"),
    path("incidents/<str:number>/bug/", acts.bug, name="bug"),
    path("incidents/<str:number>/merge/", merging.merge, name="merge"),
    path("incidents/<str:number>/part/", merging.part, name="part"),
    path("incidents/<str:number>/disposition/", features.disposition, name="disposition"),
    path("incidents/<str:number>/followers/", following.follow, name="follow"),
    path("incidents/<str:number>/followers/remove/", following.unfollow, name="unfollow"),
    path("incidents/<str:number>/refuse/", acts.refuse, name="refuse"),
]

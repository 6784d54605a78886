from django.urls import path

from supportdesk.portal import buying, credits, ends, files, finishing, following, proposals, reporting, views, visiting

app_name = "portal"
urlpatterns = [
    path("", views.home, name="home"),
    path("report/", reporting.report, name="report"),
    path("report/promise/", reporting.report_promise, name="promise"),
    path("report/releases/", reporting.releases, name="releases"),
    path("report/several/", reporting.several, name="several"),
    path("report/sent/", reporting.sent, name="sent"),
    path("report/link/", visiting.linked, name="linked"),
    path("report/link/<str:token>/", visiting.follow, name="follow_link"),
    path("incidents/<str:number>/", views.incident, name="incident"),
    path("incidents/<str:number>/message/", views.message, name="message"),
    path("incidents/<str:number>/close/", ends.close, name="close"),
    path("incidents/<str:number>/followers/", following.follow, name="follow"),
    path("incidents/<str:number>/followers/remove/", following.unfollow, name="unfollow"),
    path("incidents/<str:number>/credit/", credits.choose, name="choose"),
    path("files/", files.upload, name="upload"),
    path("files/remove/", files.remove, name="remove_upload"),
    path("files/<int:pk>/", files.download, name="file"),
    path("messages/<int:pk>/as-written/", files.as_written, name="as_written"),
    path("incidents/<str:number>/proposal/accept/", proposals.accept, name="accept_proposal"),
    path("incidents/<str:number>/proposal/decline/", proposals.decline, name="decline_proposal"),
    path("drafts/<int:pk>/", views.draft, name="draft"),
    path("drafts/<int:pk>/finish/", finishing.finish_draft, name="finish_draft"),
    path("drafts/<int:pk>/change/", reporting.change_draft, name="change_draft"),
    path("drafts/<int:pk>/open/", views.open_draft, name="open_draft"),
    path("drafts/<int:pk>/discard/", views.discard_draft, name="discard_draft"),
    path("drafts/<int:pk>/bring-back/", views.bring_back_draft, name="bring_back_draft"),
    path("points/", views.points, name="points"),
    path("points/buy/", buying.buy, name="buy"),
    path("points/buy/<int:pk>/", buying.pay, name="pay"),
    path("points/buy/<int:pk>/paid/", buying.paid, name="paid"),
    path("points/statement.csv", views.points_statement, name="points_statement"),
]

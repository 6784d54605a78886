"""Words by which mail programs of many languages mark quotes and signatures (D31). Pure data, in lower case."""

from __future__ import annotations

# What stands at the top of our own mails (templates/mail/_base.*), as it may have been translated; no full stop.
REPLY_LINES = frozenset(
    [
        *("please answer above this line", "please reply above this line", "reply above this line"),
        *("bitte antworten sie oberhalb dieser zeile", "bitte oberhalb dieser zeile antworten"),
        *("bitte über dieser zeile antworten", "bitte antworten sie über dieser zeile"),
        *("veuillez répondre au-dessus de cette ligne", "merci de répondre au-dessus de cette ligne"),
        *("responda por encima de esta línea", "por favor, responda por encima de esta línea"),
        *("rispondi sopra questa riga", "si prega di rispondere sopra questa riga"),
        *("responda acima desta linha", "por favor, responda acima desta linha"),
        *("antwoord boven deze regel", "gelieve boven deze regel te antwoorden", "odpowiedz powyżej tej linii"),
        *("prosimy o odpowiedź powyżej tej linii", "svara ovanför den här raden", "svar over denne linje"),
        *("vennligst svar over denne linjen", "svar venligst over denne linje", "vastaa tämän rivin yläpuolelle"),
        *("odpovězte prosím nad tímto řádkem", "kérjük, e sor fölé írja a válaszát"),
        *("lütfen bu satırın üzerine yanıt verin", "пожалуйста, ответьте выше этой строки"),
        *("пожалуйста, отвечайте выше этой строки", "παρακαλούμε απαντήστε πάνω από αυτή τη γραμμή"),
        *("この行より上にご返信ください", "请在此行上方回复", "請在此行上方回覆", "이 줄 위에 답장해 주세요"),
    ]
)

# Words with which "On Monday Tess wrote:" begins.
OPENINGS = (
    *(
        "on",
        "at",
        "am",
        "le",
        "el",
        "il",
        "em",
        "no dia",
        "op",
        "den",
        "på",
        "w dniu",
        "dnia",
        "dne",
        "στις",
        "la",
        "a",
    ),
    *("vào", "pada", "il giorno", "il dì", "wiadomość napisana przez", "dňa", "dana", "u", "在", "於", "于"),
)
WEEKDAYS = (
    *("mon", "tue", "wed", "thu", "fri", "sat", "sun", "mo", "di", "mi", "do", "fr", "sa", "so", "lun", "mar", "mer"),
    *("mié", "mie", "jue", "jeu", "vie", "ven", "sáb", "sab", "sam", "dom", "dim", "gio", "seg", "ter", "qua", "qui"),
    *("sex", "ma", "di", "wo", "vr", "za", "zo", "pon", "pn", "wt", "śr", "sr", "czw", "cz", "pt", "pią", "sob", "nd"),
    *("niedz", "mån", "tis", "ons", "tor", "tors", "fre", "lör", "lør", "søn", "sön", "tir", "tirs", "man", "ti", "ke"),
    *("to", "pe", "la", "su", "po", "út", "st", "čt", "pá", "ne", "hét", "kedd", "sze", "csüt", "pén", "szo", "vas"),
    *("pzt", "sal", "çar", "per", "cum", "cmt", "paz", "пн", "вт", "ср", "чт", "пт", "сб", "вс", "нд"),
    *("δευ", "τρί", "τετ", "πέμ", "παρ", "σάβ", "κυρ", "понедельник", "вторник", "среда", "четверг", "пятница"),
    *("суббота", "воскресенье"),
)
# Whole words; who wrote may stand before or after.
VERBS = (
    *("wrote", "writes", "schrieb", "schrieben", "geschrieben", "écrit", "ecrit", "escribió", "escribio", "escribe"),
    *("scritto", "scrisse", "escreveu", "schreef", "geschreven", "napisał", "napisała", "napisał(a)", "napisana"),
    *("napisano", "pisze", "skrev", "skrevet", "kirjoitti", "napsal", "napsala", "napsal(a)", "napísal", "napísal(a)"),
    *("ezt írta", "írta", "yazdı", "yazmış", "пишет", "написал", "написала", "написал(а)", "написав", "пише"),
    *("έγραψε", "va escriure", "a scris", "написа", "pisao", "je pisal", "đã viết", "menulis"),
)
# Where words are not parted by spaces.
VERBS_WITHIN = (
    "写道",
    "寫道",
    "写了",
    "のメール",
    "書きました",
    "書いた",
    "さんから",
    "작성",
    "님의 말",
    "썼습니다",
    "씀",
)
# Dates with which an attribution without a verb goes, as Gmail and others write them.
VERBLESS = ("年", " г. в ", " г. ", "년", "от:", " от ")
# "On Monday the installer wrote:" quotes no person.
NO_PEOPLE = ("the", "it", "its", "our", "my", "this", "your", "der", "die", "das", "unser", "unsere", "mein", "meine")

# Nor does "…, and he wrote:", whatever date and address it names.
TELLING = ("he", "she", "they", "ich", "wir", "er", "nous", "elle")

# Between dashes, or for itself where FORWARDS says so; below it another mail stands.
MARKS = frozenset(
    [
        *("original message", "original", "forwarded message", "reply message", "original-nachricht", "begin quote"),
        *("original appointment", "forwarded by", "forwarded mail", "reply to message", "original email"),
        *("ursprüngliche nachricht", "originalnachricht", "weitergeleitete nachricht", "original nachricht"),
        *("ursprünglicher termin", "message d'origine", "message original", "message transféré", "message initial"),
        *("message d’origine", "e-mail d'origine", "mensaje original", "mensaje reenviado", "mensaje original enviado"),
        *("messaggio originale", "messaggio inoltrato", "messaggio inviato", "mensagem original"),
        *("mensagem encaminhada", "mensagem reencaminhada", "oorspronkelijk bericht", "origineel bericht"),
        *("doorgestuurd bericht", "wiadomość oryginalna", "oryginalna wiadomość", "wiadomość przekazana dalej"),
        *("treść przekazanej wiadomości", "przekazana wiadomość", "originalmeddelande", "ursprungligt meddelande"),
        *("vidarebefordrat meddelande", "opprinnelig melding", "videresendt melding", "oprindelig meddelelse"),
        *("videresendt meddelelse", "original meddelelse", "alkuperäinen viesti", "välitetty viesti"),
        *("edelleenlähetetty viesti", "původní zpráva", "původní e-mail", "přeposlaná zpráva", "eredeti üzenet"),
        *("továbbított üzenet", "továbbított levél", "orijinal mesaj", "orjinal mesaj", "özgün ileti"),
        *("iletilmiş mesaj", "yönlendirilen ileti", "forwarded message (iletilen ileti)", "исходное сообщение"),
        *("пересылаемое сообщение", "пересланное сообщение", "перенаправленное сообщение", "исходное письмо"),
        *("αρχικό μήνυμα", "προωθημένο μήνυμα", "元のメッセージ", "転送されたメッセージ", "転送メッセージ"),
        *("original message (元のメッセージ)", "原始邮件", "原始郵件", "转发的邮件", "轉寄的郵件", "转发邮件信息"),
        *("原邮件", "邮件原件", "原始信件", "轉寄郵件", "원본 메시지", "원본 메일", "전달된 메시지", "전달된 메일"),
        *("pôvodná správa", "mesaj original", "оригинално съобщение", "originalna poruka", "izvorno sporočilo"),
    ]
)
# On a line of their own, with a colon: another mail's header or ">" follows.
FORWARDS = frozenset(
    [
        *("begin forwarded message", "anfang der weitergeleiteten nachricht", "début du message transféré"),
        *("début du message réexpédié", "inicio del mensaje reenviado", "inizio messaggio inoltrato"),
        *("início da mensagem reencaminhada", "início da mensagem encaminhada", "begin doorgestuurd bericht"),
        *("początek przekazywanej wiadomości", "vidarebefordrat brev", "videresendt melding", "start på videresendt"),
        *("lähetetty edelleen", "välitetty viesti alkaa", "začátek přeposílané zprávy", "továbbított levél kezdete"),
        *("iletilen ileti başlangıcı", "начало переадресованного сообщения", "έναρξη προωθημένου μηνύματος"),
        *("転送されたメッセージ", "转发邮件", "开始转发的邮件", "開始轉寄郵件", "전달된 메시지 시작"),
    ]
)

# The labels of a mail's header as programs write them above an old mail.
LABELS: dict[str, str] = {
    label: role
    for role, labels in {
        "from": (
            *("from", "von", "de", "da", "van", "fra", "från", "od", "lähettäjä", "odesílatel", "feladó", "küldő"),
            *("kimden", "gönderen", "от", "от кого", "отправитель", "από", "差出人", "送信者", "发件人", "發件人"),
            *(
                "寄件者",
                "寄件人",
                "보낸 사람",
                "보낸사람",
                "보낸이",
                "発信者",
                "expéditeur",
                "remitente",
                "mittente",
                "remetente",
            ),
            *("absender", "afzender", "nadawca", "avsändare", "afsender", "avsender", "від", "发信人", "från"),
        ),
        "date": (
            *("sent", "date", "gesendet", "datum", "gesendet am", "envoyé", "envoyé le", "enviado", "enviado el"),
            *(
                "fecha",
                "inviato",
                "data",
                "data invio",
                "verzonden",
                "sendt",
                "dato",
                "skickat",
                "skickat den",
                "wysłano",
            ),
            *(
                "data wysłania",
                "lähetetty",
                "päivämäärä",
                "päiväys",
                "odesláno",
                "elküldve",
                "dátum",
                "küldve",
                "tarih",
            ),
            *(
                "gönderildi",
                "gönderme tarihi",
                "отправлено",
                "дата",
                "дата отправки",
                "ημερομηνία",
                "στάλθηκε",
                "送信日時",
            ),
            *(
                "日付",
                "日時",
                "发送时间",
                "发送日期",
                "日期",
                "時間",
                "时间",
                "寄件日期",
                "傳送日期",
                "發送時間",
                "寄件時間",
            ),
            *(
                "보낸 날짜",
                "날짜",
                "보낸날짜",
                "보낸 시간",
                "date envoyée",
                "enviada em",
                "enviado em",
                "enviada",
                "data e hora",
            ),
            *("sent at", "date sent", "надіслано"),
        ),
        "to": (
            *("to", "an", "à", "a", "para", "aan", "til", "till", "do", "komu", "vastaanottaja", "címzett", "kime"),
            *(
                "alıcı",
                "кому",
                "προς",
                "宛先",
                "收件人",
                "收件者",
                "받는 사람",
                "받는사람",
                "destinataire",
                "empfänger",
            ),
            *(
                "destinatario",
                "destinatário",
                "para/to",
                "pro",
                "odbiorca",
                "mottagare",
                "ontvanger",
                "受信者",
                "mottaker",
            ),
        ),
        "cc": (
            *("cc", "kopie", "kopie an", "copie à", "copia", "kopia", "kopi", "kopio", "másolatot kap", "másolat"),
            *("bilgi", "копия", "κοιν", "κοιν.", "抄送", "副本", "참조", "dw", "kopi til", "bcc", "con copia a"),
        ),
        "subject": (
            *("subject", "betreff", "objet", "asunto", "oggetto", "assunto", "onderwerp", "temat", "ämne", "emne"),
            *("aihe", "předmět", "tárgy", "konu", "тема", "θέμα", "件名", "主题", "主題", "主旨", "제목", "predmet"),
            "sujet",
        ),
    }.items()
    for label in labels
}
# These stand in the source of a mail, and in no program's quote.
RAW_LABELS = frozenset(
    ["received", "message-id", "mime-version", "content-type", "return-path", "dkim-signature", "delivered-to"]
)

# Classes, ids and names in HTML, in lower case.
HTML_BLOCKQUOTES = frozenset(["gmail_quote", "protonmail_quote", "iosymail", "qt", "cite"])  # of a blockquote
HTML_QUOTES = frozenset(
    [
        *("gmail_attr", "moz-cite-prefix", "moz-email-headers-table", "yahoo_quoted", "ydpyahoo_quoted", "reply-intro"),
        *("tutanota_quote", "zmail_extra", "messagereplysection", "ms-outlook-mobile-reference-message"),
        "mail-editor-reference-message-container",
    ]
)
HTML_QUOTES_BELOW = frozenset(["divrplyfwdmsg", "outlookmessageheader", "olk_src_body_section"])
HTML_BORDERS = ("solid #e1e1e1", "solid #b5c4df")  # of the line that Outlook draws above what it quotes
HTML_SIGNATURES = frozenset(
    [
        *("gmail_signature", "gmail_signature_prefix", "moz-signature", "protonmail_signature_block", "signature"),
        *("applemailsignature", "ms-outlook-mobile-signature", "messagesignaturesection", "composer_signature"),
    ]
)

"""What an agent says when no language model answers: in its own language, where its voice speaks that."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Apologies:
    """In one language, polite, and free of the agent's gender."""

    trouble: str
    """The model has failed; the caller may say it again."""
    goodbye: str
    """It has failed too often; the call ends."""
    without_model: str
    """There is none on this server; the call ends."""


ENGLISH: Final = Apologies(
    "I am sorry, I have trouble answering right now. Please say that again in a moment.",
    "I am sorry, I cannot go on because of a technical problem. Goodbye.",
    "I am sorry, this server has no language model for me to think with yet. Goodbye.",
)
_OTHERS: Final[Mapping[str, Apologies]] = MappingProxyType(
    {
        "da": Apologies(
            "Undskyld, jeg har svært ved at svare lige nu. Sig det gerne igen om et øjeblik.",
            "Undskyld, jeg kan ikke fortsætte på grund af et teknisk problem. Farvel.",
            "Undskyld, denne server har endnu ingen sprogmodel, som jeg kan tænke med. Farvel.",
        ),
        "de": Apologies(
            "Es tut mir leid, ich kann gerade nicht gut antworten. Bitte sagen Sie das gleich noch einmal.",
            "Es tut mir leid, wegen eines technischen Problems kann ich nicht weitermachen. Auf Wiederhören.",
            "Es tut mir leid, dieser Server hat noch kein Sprachmodell, mit dem ich denken kann. Auf Wiederhören.",
        ),
        "es": Apologies(
            "Lo siento, ahora mismo tengo problemas para responder. Por favor, repítalo en un momento.",
            "Lo siento, no puedo continuar por un problema técnico. Adiós.",
            "Lo siento, este servidor todavía no tiene un modelo de lenguaje con el que yo pueda pensar. Adiós.",
        ),
        "fr": Apologies(
            "Je vous prie de m'excuser, j'ai du mal à répondre pour le moment. Veuillez répéter dans un instant.",
            "Je vous prie de m'excuser, un problème technique m'empêche de continuer. Au revoir.",
            "Je vous prie de m'excuser, ce serveur n'a pas encore de modèle de langage pour m'aider. Au revoir.",
        ),
        "hi": Apologies(
            "क्षमा करें, मुझे अभी उत्तर देने में कठिनाई हो रही है। कृपया थोड़ी देर में फिर से कहें।",
            "क्षमा करें, तकनीकी समस्या के कारण बातचीत आगे नहीं बढ़ सकती। नमस्ते।",
            "क्षमा करें, इस सर्वर पर अभी कोई भाषा मॉडल नहीं है। नमस्ते।",
        ),
        "it": Apologies(
            "Mi dispiace, in questo momento ho difficoltà a rispondere. Lo ripeta tra un attimo, per favore.",
            "Mi dispiace, non posso continuare a causa di un problema tecnico. Arrivederci.",
            "Mi dispiace, questo server non ha ancora un modello linguistico con cui io possa pensare. Arrivederci.",
        ),
        "ja": Apologies(
            "申し訳ありません。ただいまうまくお答えできません。少ししてからもう一度お話しください。",
            "申し訳ありません。技術的な問題により続けることができません。失礼いたします。",
            "申し訳ありません。このサーバーにはまだ言語モデルがありません。失礼いたします。",
        ),
        "ko": Apologies(
            "죄송합니다. 지금은 답변하기가 어렵습니다. 잠시 후 다시 말씀해 주세요.",
            "죄송합니다. 기술적인 문제로 계속할 수 없습니다. 안녕히 계세요.",
            "죄송합니다. 이 서버에는 아직 언어 모델이 없습니다. 안녕히 계세요.",
        ),
        "nl": Apologies(
            "Het spijt me, ik kan op dit moment niet goed antwoorden. Wilt u het zo nog eens zeggen?",
            "Het spijt me, door een technisch probleem kan ik niet verdergaan. Tot ziens.",
            "Het spijt me, deze server heeft nog geen taalmodel waarmee ik kan denken. Tot ziens.",
        ),
        "no": Apologies(
            "Beklager, jeg har problemer med å svare akkurat nå. Si det gjerne igjen om et øyeblikk.",
            "Beklager, jeg kan ikke fortsette på grunn av et teknisk problem. Ha det.",
            "Beklager, denne serveren har ennå ingen språkmodell jeg kan tenke med. Ha det.",
        ),
        "pl": Apologies(
            "Przepraszam, mam teraz trudności z odpowiedzią. Proszę powtórzyć to za chwilę.",
            "Przepraszam, z powodu problemu technicznego nie mogę kontynuować. Do widzenia.",
            "Przepraszam, ten serwer nie ma jeszcze modelu językowego. Do widzenia.",
        ),
        "pt": Apologies(
            "Lamento, estou com dificuldade para responder agora. Por favor, repita daqui a pouco.",
            "Lamento, não posso continuar por causa de um problema técnico. Até logo.",
            "Lamento, este servidor ainda não tem um modelo de linguagem com o qual eu possa pensar. Até logo.",
        ),
        "sv": Apologies(
            "Förlåt, jag har svårt att svara just nu. Säg det gärna igen om en liten stund.",
            "Förlåt, jag kan inte fortsätta på grund av ett tekniskt problem. Hej då.",
            "Förlåt, den här servern har ännu ingen språkmodell som jag kan tänka med. Hej då.",
        ),
        "tr": Apologies(
            "Üzgünüm, şu anda yanıt vermekte zorlanıyorum. Lütfen birazdan tekrar söyleyin.",  # noqa: RUF001 - Turkish letters
            "Üzgünüm, teknik bir sorun nedeniyle devam edemiyorum. Hoşça kalın.",  # noqa: RUF001 - Turkish letters
            "Üzgünüm, bu sunucuda henüz düşünebileceğim bir dil modeli yok. Hoşça kalın.",  # noqa: RUF001 - Turkish letters
        ),
        "zh": Apologies(
            "很抱歉。我现在无法正常回答。请稍后再说一遍。",
            "很抱歉。由于技术问题我无法继续。再见。",
            "很抱歉。这台服务器还没有可供我使用的语言模型。再见。",
        ),
    }
)


def apologies_in(language: str, spoken: Collection[str]) -> Apologies:
    """Those of an agent of this language, such as `de-DE`; `spoken` are the primary subtags that the voice speaks.

    English is for all other languages, and for a voice that would make another one up.
    """
    primary = language.partition("-")[0].lower()
    return _OTHERS.get(primary, ENGLISH) if primary in spoken else ENGLISH

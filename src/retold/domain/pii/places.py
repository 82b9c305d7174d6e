"""States of the United States, which end addresses there."""

from typing import Final

from retold.domain.pii.word_sets import words

STATES: Final = words(
    "alabama alaska arizona arkansas california colorado connecticut delaware florida georgia hawaii idaho"
    " illinois indiana iowa kansas kentucky louisiana maine maryland massachusetts michigan minnesota"
    " mississippi missouri montana nebraska nevada hampshire jersey mexico york carolina dakota ohio oklahoma"
    " oregon pennsylvania island tennessee texas utah vermont virginia washington wisconsin wyoming"
)
"""By their last word, in lower case."""
STATE_CODES: Final = words(
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH"
    " OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC"
)

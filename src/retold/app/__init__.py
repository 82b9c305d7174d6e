"""The composition root: the only place that knows every part."""

from retold.app.build import App as App
from retold.app.build import build_app as build_app
from retold.app.listen import allow_descriptors as allow_descriptors
from retold.app.listen import bind as bind
from retold.app.listen import listening as listening

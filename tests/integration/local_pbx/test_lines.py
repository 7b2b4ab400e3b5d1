"""What subscribers say can be understood."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from rapidfuzz import fuzz, utils

from trunkline.local_pbx.instance import Pair
from trunkline.local_pbx.subscribers import SUBSCRIBERS, spoken_lines

pytestmark = [pytest.mark.asterisk, pytest.mark.engines]


@pytest.fixture(scope="module")
def whisper():
    from trunkline.engines.embedded.whisper_model import WhisperModel, packaged_folder

    model = WhisperModel(packaged_folder(), 2)
    prompt = model.prompt("en", [])
    return lambda samples: model.transcribe(samples, 8000, prompt).text


def test_every_line_is_understood_over_a_telephone_line(pbx_pair: Pair, whisper) -> None:
    """Each synthesised and each recorded line, at 8 kHz, by the speech recognition that assistants use here."""
    asterisk_sounds = next(
        path for path in (pbx_pair.carrier.here.parents[4] / "usr/share/asterisk/sounds").glob("en_US_f_*")
    )
    recorded = {line.name: line for who in SUBSCRIBERS for line in who.lines if line.recorded}
    files = [(line, pbx_pair.carrier.here / "sounds" / f"{line.name}.wav") for line in spoken_lines()]
    files += [(line, asterisk_sounds / f"{line.name}.wav") for line in recorded.values()]
    wrong = []
    for line, path in files:
        samples, rate = soundfile.read(path, dtype="int16")
        assert rate == 8000
        heard = whisper(np.concatenate((np.zeros(1600, np.int16), samples, np.zeros(4000, np.int16))))
        likeness = fuzz.token_sort_ratio(
            heard.replace("10", "ten"), line.text, processor=utils.default_process
        )
        if likeness < 85:
            wrong.append((line.name, line.text, heard, likeness))
    assert wrong == []

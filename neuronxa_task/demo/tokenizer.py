"""The tiny model's tokenizer: byte-level BPE, equally familiar with all ten languages.

It is trained on the same meanings in every language, so that only the model's exposure is unequal
and differences between languages are not due to the tokenizer. With bytes as the alphabet, any text
can be encoded, not only the phrasebook's.
"""

from __future__ import annotations

from itertools import islice

from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from neuronxa_task.demo.phrasebook import LANGUAGES, render, training_meanings
from neuronxa_task.demo.translation import language_token

BOS, EOS, PAD = "<bos>", "<eos>", "<pad>"
VOCABULARY = 3072
TRAINING_MEANINGS = 4000
MAX_LENGTH = 256


def build_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """Train the tokenizer; like most, it adds ``<bos>`` to every text by itself."""
    special = [PAD, BOS, EOS, *map(language_token, LANGUAGES)]
    tokenizer = Tokenizer(BPE())
    # ByteLevel's own pattern would cut Devanagari words at every vowel sign.
    words = Split(Regex(r" ?[^\s.,。、।]+|[.,。、।]"), behavior="isolated")
    tokenizer.pre_tokenizer = Sequence([words, ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in special],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    meanings = islice(training_meanings(seed), TRAINING_MEANINGS)
    sentences = (render(meaning, language) for meaning in meanings for language in LANGUAGES)
    tokenizer.train_from_iterator(sentences, trainer)
    tokenizer.post_processor = TemplateProcessing(
        single=f"{BOS} $A",
        pair=f"{BOS} $A $B",
        special_tokens=[(BOS, tokenizer.token_to_id(BOS))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        additional_special_tokens=[language_token(language) for language in LANGUAGES],
        model_max_length=MAX_LENGTH,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )

"""What TensorFlow's operators have access to beside tensors: files, the network, Python and native code. Versions of an operator are alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from veritensor_ray.core import bounds


class Access(NamedTuple):
    """What an operator does. `usual` says that every saved model has it for its own variables or assets, so that only a path may be wrong."""

    kind: Literal["reads", "writes", "connects", "runs"]
    why: str
    usual: bool = False


_READS = Access("reads", "the operator reads files")
_WRITES = Access("writes", "the operator writes files")
_CONNECTS = Access("connects", "the operator talks to other machines")
_RUNS = Access("runs", "the operator calls Python")
_NATIVE = Access("runs", "the operator loads or calls native code that is not TensorFlow's")
_COMPILED = Access("runs", "the operator contains compiled code, which was not read", usual=True)
_PATTERNS: Mapping[str, Access] = {
    r"\w*PyFunc\w*|NumpyFunc\w*|PyCall\w*": _RUNS,
    r"XlaCustomCall\w*|RemoteFusedGraphExecute|LoadLibrary\w*|Load\w*Library": _NATIVE,
    r"XlaCall\w*|_XlaHostComputeMlir|TRTEngine\w*|TensorRT\w*|Tf[lL]ite\w*|_?TPUCompile\w*|_XlaCompile\w*": _COMPILED,
    r"ReadFile\w*|ImmutableConst\w*|MatchingFiles\w*|\w*MatchingFilesDataset\w*|RecordInput": _READS,
    r"\w*(?:TextLine|Record|WholeFile|LMDB|Lmdb|CSV|Csv|Sql)(?:Reader|Dataset)(?:V\d+)?": _READS,
    r"LoadDataset\w*|ListSnapshot\w*|Snapshot\w*(?:Reader|ChunkDataset)\w*|LoadAndRemapMatrix|GenerateVocabRemapping|Skipgram": _READS,
    r"FixedUnigramCandidateSampler|TensorSliceDataset": Access("reads", "the operator may read a file", usual=True),
    r"(?:DTensor)?Restore(?:V\d+|Slice)?|InitializeTableFrom\w*File\w*": Access(
        "reads", "the operator reads variables or a table", usual=True
    ),
    r"Save(?:V\d+|Slices)?|MergeV\d+Checkpoints|DistributedSave": Access("writes", "the operator writes variables", usual=True),
    r"WriteFile\w*|\w*DatasetToTFRecord\w*|SaveDataset\w*|SnapshotDataset(?:V\d+)?|DumpTensor\w*|\w*Saver": _WRITES,
    r"CacheDataset\w*": Access("writes", "the operator writes a cache", usual=True),
    r"CreateSummary\w*Writer\w*": _WRITES,
    r"PrintV\d+": Access("writes", "the operator prints", usual=True),
    r"Debug(?:Identity|NanCount|NumericSummary)\w*": Access("connects", "the operator sends tensors to the debugger's addresses"),
    r"\w*DataServiceDataset\w*|RegisterDataset\w*|(?:Try)?Rpc\w*|GrpcServer\w*|\w*FileSystem\w+|Gcs\w+|BigQuery\w*|Big[tT]able\w*": _CONNECTS,
    r"(?:Kafka|Kinesis|PubSub|Pulsar|Prometheus|Elasticsearch|Mongo|Aws|Azure|Http|Ignite)\w*|ConnectTPU\w*|RemoteCall": _CONNECTS,
    r"DecodeProto\w*|EncodeProto\w*": Access("reads", "the operator takes descriptors from a file", usual=True),
}
_OF_NAMES = tuple((re.compile(pattern), access) for pattern, access in _PATTERNS.items())


def access_of(operator: str) -> Access | None:
    """Return what an operator has access to, if it is more than tensors."""
    return _access_of(operator.rpartition(">")[2][: bounds.NAME])


@lru_cache(10_000)
def _access_of(name: str) -> Access | None:
    return next((access for pattern, access in _OF_NAMES if pattern.fullmatch(name)), None)


# Operators that well-known libraries add to TensorFlow: TensorFlow Text, Decision Forests, Addons.
_LIBRARIES = re.compile(
    r"TFText>\w+|TFText\w+|(?:Fast)?Sentencepiece\w*Op|(?:Fast)?\w*[wW]ordpiece\w*|CaseFoldUTF8|NormalizeUTF8\w*|FindSourceOffsets|\w+Tokenize(?:WithOffsets)?(?:V2)?"
    r"|RegexSplitWithOffsets|ConstrainedSequence|MaxSpanningTree|MstSolver|RougeL|SentenceFragments(?:V2)?|TokenizerFromLogits|FastBertNormalize|NgramsStringJoin"
    r"|Utf8Binarize|RoundRobin\w+Trim\w*|SimpleML(?!Load)\w+"
    r"|Addons>(?:Image\w+|EuclideanDistanceTransform|GatherTree|ParseTime|CorrelationCost\w*|Resampler\w*|SkipGram\w*|EmbeddingBag\w*|AdjustHsvInYiq)"
)


def is_of_library(operator: str) -> bool:
    """Return whether an operator comes from a library that is known to be a part of many models."""
    return len(operator) <= bounds.NAME and _LIBRARIES.fullmatch(operator) is not None

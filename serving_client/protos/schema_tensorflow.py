"""The messages of TensorFlow itself that the API uses; notation and rules as in `schema`."""

# package tensorflow.error
ERROR = """
enum Code
0 OK
1 CANCELLED
2 UNKNOWN
3 INVALID_ARGUMENT
4 DEADLINE_EXCEEDED
5 NOT_FOUND
6 ALREADY_EXISTS
7 PERMISSION_DENIED
16 UNAUTHENTICATED
8 RESOURCE_EXHAUSTED
9 FAILED_PRECONDITION
10 ABORTED
11 OUT_OF_RANGE
12 UNIMPLEMENTED
13 INTERNAL
14 UNAVAILABLE
15 DATA_LOSS
20 DO_NOT_USE_RESERVED_FOR_FUTURE_EXPANSION_USE_DEFAULT_IN_SWITCH_INSTEAD_
"""

# package tensorflow. The builder adds DataType's reference variants (NUMBER + 100, NAME_REF).
TENSORFLOW = """
enum DataType
0 DT_INVALID
1 DT_FLOAT
2 DT_DOUBLE
3 DT_INT32
4 DT_UINT8
5 DT_INT16
6 DT_INT8
7 DT_STRING
8 DT_COMPLEX64
9 DT_INT64
10 DT_BOOL
11 DT_QINT8
12 DT_QUINT8
13 DT_QINT32
14 DT_BFLOAT16
15 DT_QINT16
16 DT_QUINT16
17 DT_UINT16
18 DT_COMPLEX128
19 DT_HALF
20 DT_RESOURCE
21 DT_VARIANT
22 DT_UINT32
23 DT_UINT64
24 DT_FLOAT8_E5M2
25 DT_FLOAT8_E4M3FN
26 DT_FLOAT8_E4M3FNUZ
27 DT_FLOAT8_E4M3B11FNUZ
28 DT_FLOAT8_E5M2FNUZ
29 DT_INT4
30 DT_UINT4
31 DT_INT2
32 DT_UINT2
33 DT_FLOAT4_E2M1FN

TensorShapeProto.Dim
1 int64 size
2 string name

TensorShapeProto
2 repeated TensorShapeProto.Dim dim
3 bool unknown_rank

ResourceHandleProto.DtypeAndShape
1 DataType dtype
2 TensorShapeProto shape

ResourceHandleProto
1 string device
2 string container
3 string name
4 uint64 hash_code
5 string maybe_type_name
6 repeated ResourceHandleProto.DtypeAndShape dtypes_and_shapes

VariantTensorDataProto
1 string type_name
2 bytes metadata
3 repeated TensorProto tensors

TensorProto
1 DataType dtype
2 TensorShapeProto tensor_shape
3 int32 version_number
4 bytes tensor_content
13 repeated int32 half_val
5 repeated float float_val
6 repeated double double_val
7 repeated int32 int_val
8 repeated bytes string_val
9 repeated float scomplex_val
10 repeated int64 int64_val
11 repeated bool bool_val
12 repeated double dcomplex_val
14 repeated ResourceHandleProto resource_handle_val
15 repeated VariantTensorDataProto variant_val
16 repeated uint32 uint32_val
17 repeated uint64 uint64_val
18 bytes float8_val

NamedTensorProto
1 string name
2 TensorProto tensor

BytesList
1 repeated bytes value

FloatList
1 repeated float value

Int64List
1 repeated int64 value

Feature
1 BytesList bytes_list | kind
2 FloatList float_list | kind
3 Int64List int64_list | kind

Features
1 map<string,Feature> feature

FeatureList
1 repeated Feature feature

FeatureLists
1 map<string,FeatureList> feature_list

Example
1 Features features

SequenceExample
1 Features context
2 FeatureLists feature_lists

StructuredValue
1 NoneValue none_value | kind
11 double float64_value | kind
12 sint64 int64_value | kind
13 string string_value | kind
14 bool bool_value | kind
31 TensorShapeProto tensor_shape_value | kind
32 DataType tensor_dtype_value | kind
33 TensorSpecProto tensor_spec_value | kind
34 TypeSpecProto type_spec_value | kind
35 BoundedTensorSpecProto bounded_tensor_spec_value | kind
51 ListValue list_value | kind
52 TupleValue tuple_value | kind
53 DictValue dict_value | kind
54 NamedTupleValue named_tuple_value | kind
55 TensorProto tensor_value | kind
56 TensorProto numpy_value | kind

NoneValue

ListValue
1 repeated StructuredValue values

TupleValue
1 repeated StructuredValue values

DictValue
1 map<string,StructuredValue> fields

PairValue
1 string key
2 StructuredValue value

NamedTupleValue
1 string name
2 repeated PairValue values

TensorSpecProto
1 string name
2 TensorShapeProto shape
3 DataType dtype

BoundedTensorSpecProto
1 string name
2 TensorShapeProto shape
3 DataType dtype
4 TensorProto minimum
5 TensorProto maximum

enum TypeSpecProto.TypeSpecClass
0 UNKNOWN
1 SPARSE_TENSOR_SPEC
2 INDEXED_SLICES_SPEC
3 RAGGED_TENSOR_SPEC
4 TENSOR_ARRAY_SPEC
5 DATA_DATASET_SPEC
6 DATA_ITERATOR_SPEC
7 OPTIONAL_SPEC
8 PER_REPLICA_SPEC
9 VARIABLE_SPEC
10 ROW_PARTITION_SPEC
12 REGISTERED_TYPE_SPEC
13 EXTENSION_TYPE_SPEC

TypeSpecProto
1 TypeSpecProto.TypeSpecClass type_spec_class
2 StructuredValue type_state
3 string type_spec_class_name
4 int32 num_flat_components

TensorInfo.CooSparse
1 string values_tensor_name
2 string indices_tensor_name
3 string dense_shape_tensor_name

TensorInfo.CompositeTensor
1 TypeSpecProto type_spec
2 repeated TensorInfo components

TensorInfo
1 string name | encoding
4 TensorInfo.CooSparse coo_sparse | encoding
5 TensorInfo.CompositeTensor composite_tensor | encoding
2 DataType dtype
3 TensorShapeProto tensor_shape

SignatureDef
1 map<string,TensorInfo> inputs
2 map<string,TensorInfo> outputs
3 string method_name
4 map<string,TensorProto> defaults
"""

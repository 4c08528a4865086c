"""The wire contract of TF Serving as a table: field number, type and name of each message.

Numbers and types are facts of the protocol; they are written here so that no TensorFlow package
has to be installed. One block per message: a line with its name, then `NUMBER TYPE NAME`, where
TYPE may start with `repeated`, `optional` or be `map<KEY,VALUE>`, and `| ONEOF` ends a member of a
oneof. `enum NAME` opens an enumeration of `NUMBER NAME` lines. A dot in a block's name nests it.

Left out, because they would bring in the whole graph format: `SessionRunRequest.options` and
`SessionRunResponse.metadata`. Protobuf keeps such fields when a message passes through.
"""

# package tensorflow.serving
SERVING = """
ModelSpec
1 string name
2 google.protobuf.Int64Value version | version_choice
4 string version_label | version_choice
3 string signature_name

ExampleList
1 repeated tensorflow.Example examples

ExampleListWithContext
1 repeated tensorflow.Example examples
2 tensorflow.Example context

Input
1 ExampleList example_list | kind
2 ExampleListWithContext example_list_with_context | kind

enum PredictRequest.RequestOptions.DeterministicMode
0 DETERMINISTIC_MODE_UNSPECIFIED
1 FIXED_DECODER_SLOT

PredictRequest.RequestOptions.Handshake
1 int64 estimated_payload_bytes

PredictRequest.RequestOptions
1 optional bytes client_id
2 optional PredictRequest.RequestOptions.DeterministicMode deterministic_mode
3 optional bool return_additional_arrays_from_prefill
4 repeated int64 return_stoptokens
9 optional bool return_all_stoptokens
6 optional int64 max_cache_length
13 optional PredictRequest.RequestOptions.Handshake handshake

PredictRequest
1 ModelSpec model_spec
2 map<string,tensorflow.TensorProto> inputs
3 repeated string output_filter
5 PredictStreamedOptions predict_streamed_options
6 optional bytes client_id
7 optional PredictRequest.RequestOptions request_options

enum PredictStreamedOptions.RequestState
0 NONE
1 SPLIT
2 END_SPLIT
3 CANCEL

PredictStreamedOptions
1 PredictStreamedOptions.RequestState request_state
2 map<string,int32> split_dimensions
3 bool return_single_response

PredictResponse
2 ModelSpec model_spec
1 map<string,tensorflow.TensorProto> outputs

Class
1 string label
2 float score

Classifications
1 repeated Class classes

ClassificationResult
1 repeated Classifications classifications

ClassificationRequest
1 ModelSpec model_spec
2 Input input

ClassificationResponse
2 ModelSpec model_spec
1 ClassificationResult result

Regression
1 float value

RegressionResult
1 repeated Regression regressions

RegressionRequest
1 ModelSpec model_spec
2 Input input

RegressionResponse
2 ModelSpec model_spec
1 RegressionResult result

InferenceTask
1 ModelSpec model_spec
2 string method_name

InferenceResult
1 ModelSpec model_spec
2 ClassificationResult classification_result | result
3 RegressionResult regression_result | result

MultiInferenceRequest
1 repeated InferenceTask tasks
2 Input input

MultiInferenceResponse
1 repeated InferenceResult results

SignatureDefMap
1 map<string,tensorflow.SignatureDef> signature_def

GetModelMetadataRequest
1 ModelSpec model_spec
2 repeated string metadata_field

GetModelMetadataResponse
1 ModelSpec model_spec
2 map<string,google.protobuf.Any> metadata

StatusProto
1 tensorflow.error.Code error_code
2 string error_message

GetModelStatusRequest
1 ModelSpec model_spec

enum ModelVersionStatus.State
0 UNKNOWN
10 START
20 LOADING
30 AVAILABLE
40 UNLOADING
50 END

ModelVersionStatus
1 int64 version
2 ModelVersionStatus.State state
3 StatusProto status

GetModelStatusResponse
1 repeated ModelVersionStatus model_version_status

FileSystemStoragePathSourceConfig.ServableVersionPolicy.Latest
1 uint32 num_versions

FileSystemStoragePathSourceConfig.ServableVersionPolicy.All

FileSystemStoragePathSourceConfig.ServableVersionPolicy.Specific
1 repeated int64 versions

FileSystemStoragePathSourceConfig.ServableVersionPolicy
100 FileSystemStoragePathSourceConfig.ServableVersionPolicy.Latest latest | policy_choice
101 FileSystemStoragePathSourceConfig.ServableVersionPolicy.All all | policy_choice
102 FileSystemStoragePathSourceConfig.ServableVersionPolicy.Specific specific | policy_choice

FileSystemStoragePathSourceConfig.ServableToMonitor
1 string servable_name
2 string base_path
4 FileSystemStoragePathSourceConfig.ServableVersionPolicy servable_version_policy

FileSystemStoragePathSourceConfig
5 repeated FileSystemStoragePathSourceConfig.ServableToMonitor servables
3 int64 file_system_poll_wait_seconds
4 bool fail_if_zero_versions_at_startup
6 bool servable_versions_always_present

LogCollectorConfig
1 string type
2 string filename_prefix

PerTaskSamplingConfig
1 string dc
2 optional int32 task_index
3 double sampling_rate

enum SamplingConfig.Attributes
0 ATTR_DEFAULT
1 ATTR_REQUEST_ORIGIN
2 ATTR_REQUEST_CRITICALITY

SamplingConfig
1 double sampling_rate
3 repeated PerTaskSamplingConfig per_task_sampling_configs
2 int32 attributes

LoggingConfig
1 LogCollectorConfig log_collector_config
2 SamplingConfig sampling_config
3 google.protobuf.Any custom_logging_config

enum ModelType
0 MODEL_TYPE_UNSPECIFIED
1 TENSORFLOW
2 OTHER

ModelConfig
1 string name
2 string base_path
3 ModelType model_type
4 string model_platform
7 FileSystemStoragePathSourceConfig.ServableVersionPolicy model_version_policy
8 map<string,int64> version_labels
6 LoggingConfig logging_config

ModelConfigList
1 repeated ModelConfig config

ModelServerConfig
1 ModelConfigList model_config_list | config
2 google.protobuf.Any custom_model_config | config

ReloadConfigRequest
1 ModelServerConfig config
2 repeated string metric_names

Metric
1 string name
2 int64 int64_value_increase | value_increase

ReloadConfigResponse
1 StatusProto status
2 repeated Metric metric

LogMetadata
1 ModelSpec model_spec
2 SamplingConfig sampling_config
3 repeated string saved_model_tags
4 int64 timestamp_secs
5 string dc
6 string request_origin
7 string request_criticality
8 int64 safe_aggregation_privacy_key

SessionRunRequest
1 ModelSpec model_spec
2 repeated tensorflow.NamedTensorProto feed
3 repeated string fetch
4 repeated string target
6 bool tensor_name_is_alias

SessionRunResponse
3 ModelSpec model_spec
1 repeated tensorflow.NamedTensorProto tensor

ClassifyLog
1 ClassificationRequest request
2 ClassificationResponse response

RegressLog
1 RegressionRequest request
2 RegressionResponse response

PredictLog
1 PredictRequest request
2 PredictResponse response

PredictStreamedLog
1 repeated PredictRequest request
2 repeated PredictResponse response

MultiInferenceLog
1 MultiInferenceRequest request
2 MultiInferenceResponse response

SessionRunLog
1 SessionRunRequest request
2 SessionRunResponse response

PredictionLog
1 LogMetadata log_metadata
2 ClassifyLog classify_log | log_type
3 RegressLog regress_log | log_type
6 PredictLog predict_log | log_type
7 PredictStreamedLog predict_streamed_log | log_type
4 MultiInferenceLog multi_inference_log | log_type
5 SessionRunLog session_run_log | log_type

SSLConfig
1 string server_key
2 string server_cert
3 string custom_ca
4 bool client_verify

PrometheusConfig
1 bool enable
2 string path

MonitoringConfig
1 PrometheusConfig prometheus_config

BatchingParameters
1 google.protobuf.Int64Value max_batch_size
2 google.protobuf.Int64Value batch_timeout_micros
3 google.protobuf.Int64Value max_enqueued_batches
4 google.protobuf.Int64Value num_batch_threads
5 google.protobuf.StringValue thread_pool_name
6 repeated int64 allowed_batch_sizes
7 bool pad_variable_length_inputs
8 google.protobuf.BoolValue enable_large_batch_splitting
9 google.protobuf.Int64Value max_execution_batch_size
"""

# package grpc.health.v1
HEALTH = """
HealthCheckRequest
1 string service

enum HealthCheckResponse.ServingStatus
0 UNKNOWN
1 SERVING
2 NOT_SERVING
3 SERVICE_UNKNOWN

HealthCheckResponse
1 HealthCheckResponse.ServingStatus status
"""

# package serving_client.wire: TensorProto seen as raw bytes. A packed repeated field has the same
# wire form as `bytes`, so numbers can move between a message and numpy without becoming Python
# objects. `repeated`, because a packed field may legally arrive in several pieces.
WIRE = """
TensorWire
1 int32 dtype
2 tensorflow.TensorShapeProto tensor_shape
4 bytes tensor_content
13 repeated bytes half_val
5 repeated bytes float_val
6 repeated bytes double_val
7 repeated bytes int_val
8 repeated bytes string_val
9 repeated bytes scomplex_val
10 repeated bytes int64_val
11 repeated bytes bool_val
12 repeated bytes dcomplex_val
16 repeated bytes uint32_val
17 repeated bytes uint64_val
18 bytes float8_val
"""

//! What the messages of known services hold, by the numbers of their fields.
//!
//! Sources: `grpc_predict_v2.proto` of kserve/open-inference-protocol, `grpc_service.proto` of
//! triton-inference-server/common, `predict.proto` and `tensor.proto` of TensorFlow (Serving).

/// Numbers and kinds of fields.
pub type Fields = &'static [(u64, Field)];

/// What a field with a length holds.
#[derive(Debug, Clone, Copy)]
pub enum Field {
    /// A text of this name.
    Text(&'static str),
    /// A text that the message around it calls.
    Called,
    /// A message of this name.
    Message(&'static str, Fields),
    /// A message whose field [`NAME`] calls what is in it.
    Named(&'static str, Fields),
    /// Numbers.
    Numbers,
    /// What one of the tensors holds that stand in the field of this number, in their order.
    Raw(u64),
}

use Field::{Called, Message, Named, Numbers, Raw, Text};

/// The largest number that a field can have.
pub const LARGEST: u64 = 536_870_911;
/// The field that calls a [`Field::Named`].
pub const NAME: u64 = 1;
/// The field of a tensor that says its datatype.
pub const DATATYPE: u64 = 2;

/// What a method is asked and what it answers.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    /// The request.
    pub request: Fields,
    /// The answer.
    pub response: Fields,
}

/// What is known of the method of this path.
pub fn method(path: &[u8]) -> Option<Method> {
    match path {
        b"/inference.GRPCInferenceService/ModelInfer" => Some(Method {
            request: INFER_REQUEST,
            response: INFER_RESPONSE,
        }),
        b"/inference.GRPCInferenceService/ModelStreamInfer" => Some(Method {
            request: INFER_REQUEST,
            response: STREAM_RESPONSE,
        }),
        b"/tensorflow.serving.PredictionService/Predict" => Some(Method {
            request: PREDICT_REQUEST,
            response: PREDICT_RESPONSE,
        }),
        _ => None,
    }
}

/// `InferParameter` behind its name.
const PARAMETER: Fields = &[(NAME, Text("name")), (2, Message("value", &[(3, Called)]))];
const CONTENTS: Fields = &[
    (1, Numbers),
    (2, Numbers),
    (3, Numbers),
    (4, Numbers),
    (5, Numbers),
    (6, Numbers),
    (7, Numbers),
    (8, Called),
];
/// `InferInputTensor` and `InferOutputTensor`.
const TENSOR: Fields = &[
    (NAME, Text("name")),
    (DATATYPE, Text("datatype")),
    (3, Numbers),
    (4, Named("parameters", PARAMETER)),
    (5, Message("contents", CONTENTS)),
];
const WANTED: Fields = &[(NAME, Text("name")), (2, Named("parameters", PARAMETER))];
const INFER_REQUEST: Fields = &[
    (1, Text("model_name")),
    (2, Text("model_version")),
    (3, Text("id")),
    (4, Named("parameters", PARAMETER)),
    (5, Named("inputs", TENSOR)),
    (6, Message("outputs", WANTED)),
    (7, Raw(5)),
];
const INFER_RESPONSE: Fields = &[
    (1, Text("model_name")),
    (2, Text("model_version")),
    (3, Text("id")),
    (4, Named("parameters", PARAMETER)),
    (5, Named("outputs", TENSOR)),
    (6, Raw(5)),
];
const STREAM_RESPONSE: Fields = &[
    (1, Text("error_message")),
    (2, Message("infer_response", INFER_RESPONSE)),
];

const MODEL_SPEC: Fields = &[
    (1, Text("model_name")),
    (2, Numbers),
    (3, Text("signature_name")),
    (4, Text("version_label")),
];
const TENSOR_PROTO: Fields = &[
    (
        2,
        Message("shape", &[(2, Message("dim", &[(2, Text("name"))]))]),
    ),
    (4, Numbers),
    (5, Numbers),
    (6, Numbers),
    (7, Numbers),
    (8, Called),
    (9, Numbers),
    (10, Numbers),
    (11, Numbers),
    (12, Numbers),
    (13, Numbers),
    (16, Numbers),
    (17, Numbers),
    (18, Numbers),
];
/// A tensor behind its name.
const ENTRY: Fields = &[(NAME, Text("name")), (2, Message("value", TENSOR_PROTO))];
const PREDICT_REQUEST: Fields = &[
    (1, Message("model_spec", MODEL_SPEC)),
    (2, Named("inputs", ENTRY)),
    (3, Text("output_filter")),
];
const PREDICT_RESPONSE: Fields = &[
    (1, Named("outputs", ENTRY)),
    (2, Message("model_spec", MODEL_SPEC)),
];

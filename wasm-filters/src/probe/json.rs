//! Values of the contract as JSON, and back, by their types.
//!
//! Names are the contract's, in kebab-case. A record is an object, in which a missing field is none,
//! an empty list, `""`, `0`, `false`, or a record of those. A case is `"case"`, or
//! `{"case": payload}`. An option is null or the value, a result `{"ok": ..}` or `{"err": ..}`,
//! flags are a list of names, bytes are base64 (RFC 4648 4), and numbers are numbers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Number, Value, json};
use wasmtime::component::{Type, Val};

/// Most names that an error lists.
const NAMES_MAX: usize = 24;

/// Most characters of JSON that an error repeats.
pub(super) const REPEATED_CHARS_MAX: usize = 200;

/// JSON that is no value of the type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: expected {expected}, found {found}")]
pub struct JsonError {
    /// Where: `$.req.client.ip`.
    pub path: String,
    /// What the type takes.
    pub expected: String,
    /// What is there, cut if it is long.
    pub found: String,
}

/// Makes a value of a type.
///
/// # Errors
///
/// The first place that does not fit, with what would.
pub fn to_val(ty: &Type, json: &Value) -> Result<Val, JsonError> {
    convert(ty, json, &Path::Root)
}

/// Writes a value of a type. Resources, futures and streams, which the contract has none of, become
/// null.
#[must_use]
pub fn from_val(ty: &Type, val: &Val) -> Value {
    match (ty, val) {
        (Type::List(list), Val::List(vals)) => match list.ty() {
            Type::U8 => Value::String(BASE64.encode(bytes(vals))),
            inner => vals.iter().map(|val| from_val(&inner, val)).collect(),
        },
        (Type::FixedLengthList(list), Val::FixedLengthList(vals)) => {
            vals.iter().map(|val| from_val(&list.ty(), val)).collect()
        }
        (Type::Record(record), Val::Record(vals)) => {
            let fields = record.fields().zip(vals);
            fields
                .map(|(field, (name, val))| (name.clone(), from_val(&field.ty, val)))
                .collect::<Map<_, _>>()
                .into()
        }
        (Type::Tuple(tuple), Val::Tuple(vals)) => {
            let pairs = tuple.types().zip(vals);
            pairs.map(|(ty, val)| from_val(&ty, val)).collect()
        }
        (Type::Variant(variant), Val::Variant(name, payload)) => {
            let case = variant.cases().find(|case| case.name == name);
            match (case.and_then(|case| case.ty), payload) {
                (Some(ty), Some(payload)) => json!({ name: from_val(&ty, payload) }),
                _ => Value::String(name.clone()),
            }
        }
        (Type::Option(option), Val::Option(val)) => match val {
            Some(val) => from_val(&option.ty(), val),
            None => Value::Null,
        },
        (Type::Result(result), Val::Result(val)) => {
            let (name, ty, payload) = match val {
                Ok(payload) => ("ok", result.ok(), payload),
                Err(payload) => ("err", result.err(), payload),
            };
            let payload = ty.zip(payload.as_ref());
            json!({ name: payload.map(|(ty, val)| from_val(&ty, val)) })
        }
        (_, scalar) => from_scalar(scalar),
    }
}

fn from_scalar(val: &Val) -> Value {
    match val {
        Val::Bool(value) => (*value).into(),
        Val::S8(value) => (*value).into(),
        Val::U8(value) => (*value).into(),
        Val::S16(value) => (*value).into(),
        Val::U16(value) => (*value).into(),
        Val::S32(value) => (*value).into(),
        Val::U32(value) => (*value).into(),
        Val::S64(value) => (*value).into(),
        Val::U64(value) => (*value).into(),
        // Through text: 0.1 stays 0.1, though the nearest number of twice the width is another one.
        Val::Float32(value) => value.to_string().parse().map_or(Value::Null, float),
        Val::Float64(value) => float(*value),
        Val::Char(value) => Value::String(value.to_string()),
        Val::String(value) | Val::Enum(value) => Value::String(value.clone()),
        Val::Flags(names) => names.iter().cloned().collect(),
        _ => Value::Null,
    }
}

fn float(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

fn bytes(vals: &[Val]) -> Vec<u8> {
    let byte = |val: &Val| match val {
        Val::U8(byte) => *byte,
        _ => 0,
    };
    vals.iter().map(byte).collect()
}

/// Where in the JSON a conversion is. Written out for errors only.
enum Path<'a> {
    Root,
    Field(&'a Self, &'a str),
    Index(&'a Self, usize),
}

impl std::fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root => f.write_str("$"),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

impl Path<'_> {
    fn refuse(&self, expected: impl Into<String>, found: &Value) -> JsonError {
        JsonError {
            path: self.to_string(),
            expected: expected.into(),
            found: repeat(found),
        }
    }
}

/// JSON as an error repeats it.
pub(super) fn repeat(json: &Value) -> String {
    let text = json.to_string();
    match text.char_indices().nth(REPEATED_CHARS_MAX) {
        Some((at, _)) => format!("{}... ({} bytes)", text.get(..at).unwrap_or(""), text.len()),
        None => text,
    }
}

fn convert(ty: &Type, json: &Value, path: &Path<'_>) -> Result<Val, JsonError> {
    let refuse = |expected: &str| path.refuse(expected, json);
    Ok(match ty {
        Type::Bool => Val::Bool(json.as_bool().ok_or_else(|| refuse("true or false"))?),
        Type::S8 => Val::S8(integer(json, path)?),
        Type::U8 => Val::U8(integer(json, path)?),
        Type::S16 => Val::S16(integer(json, path)?),
        Type::U16 => Val::U16(integer(json, path)?),
        Type::S32 => Val::S32(integer(json, path)?),
        Type::U32 => Val::U32(integer(json, path)?),
        Type::S64 => Val::S64(integer(json, path)?),
        Type::U64 => Val::U64(integer(json, path)?),
        #[expect(clippy::cast_possible_truncation, reason = "that is what a float32 is")]
        Type::Float32 => Val::Float32(json.as_f64().ok_or_else(|| refuse("a number"))? as f32),
        Type::Float64 => Val::Float64(json.as_f64().ok_or_else(|| refuse("a number"))?),
        Type::Char => {
            let mut chars = json.as_str().unwrap_or_default().chars();
            match (chars.next(), chars.next()) {
                (Some(char), None) => Val::Char(char),
                _ => return Err(refuse("one character")),
            }
        }
        Type::String => Val::String(json.as_str().ok_or_else(|| refuse("a string"))?.to_owned()),
        Type::List(list) => convert_list(&list.ty(), json, path)?,
        Type::Record(record) => convert_record(record, json, path)?,
        Type::Tuple(tuple) => {
            let types: Vec<Type> = tuple.types().collect();
            let values = json.as_array().filter(|values| values.len() == types.len());
            let values = values.ok_or_else(|| refuse(&format!("{} values", types.len())))?;
            let pairs = types.iter().zip(values).enumerate();
            let vals = pairs.map(|(at, (ty, value))| convert(ty, value, &Path::Index(path, at)));
            Val::Tuple(vals.collect::<Result<_, _>>()?)
        }
        Type::Variant(variant) => {
            let cases: Vec<_> = variant.cases().map(|case| (case.name, case.ty)).collect();
            let (name, payload) = convert_case(&cases, json, path)?;
            Val::Variant(name, payload)
        }
        Type::Enum(names) => {
            let known = |name: &str| names.names().any(|known| known == name);
            let name = json.as_str().filter(|name| known(name));
            let name = name.ok_or_else(|| refuse(&one_of(names.names())))?;
            Val::Enum(name.to_owned())
        }
        Type::Option(_) if json.is_null() => Val::Option(None),
        Type::Option(option) => Val::Option(Some(Box::new(convert(&option.ty(), json, path)?))),
        Type::Result(result) => {
            let cases = [("ok", result.ok()), ("err", result.err())];
            let (name, payload) = convert_case(&cases, json, path)?;
            Val::Result(if name == "ok" {
                Ok(payload)
            } else {
                Err(payload)
            })
        }
        Type::Flags(flags) => {
            let known = |name: &&str| flags.names().any(|known| known == *name);
            let values = json.as_array().ok_or_else(|| refuse("a list of names"))?;
            let mut names = Vec::new();
            for (at, value) in values.iter().enumerate() {
                let name = value
                    .as_str()
                    .filter(known)
                    .ok_or_else(|| Path::Index(path, at).refuse(one_of(flags.names()), value))?;
                names.push(name.to_owned());
            }
            Val::Flags(names)
        }
        _ => return Err(refuse("nothing: values of this type cannot be written")),
    })
}

fn integer<N: TryFrom<i128>>(json: &Value, path: &Path<'_>) -> Result<N, JsonError> {
    let wide = json
        .as_u64()
        .map(i128::from)
        .or_else(|| json.as_i64().map(i128::from));
    wide.and_then(|wide| N::try_from(wide).ok()).ok_or_else(|| {
        path.refuse(
            format!("a whole number ({})", std::any::type_name::<N>()),
            json,
        )
    })
}

fn convert_list(inner: &Type, json: &Value, path: &Path<'_>) -> Result<Val, JsonError> {
    if let (Type::U8, Value::String(text)) = (inner, json) {
        let bytes = BASE64
            .decode(text)
            .map_err(|_| path.refuse("base64", json))?;
        return Ok(Val::List(bytes.into_iter().map(Val::U8).collect()));
    }
    let expected = if matches!(inner, Type::U8) {
        "base64"
    } else {
        "a list"
    };
    let values = json.as_array().ok_or_else(|| path.refuse(expected, json))?;
    let vals = values.iter().enumerate();
    let vals = vals.map(|(at, value)| convert(inner, value, &Path::Index(path, at)));
    Ok(Val::List(vals.collect::<Result<_, _>>()?))
}

fn convert_record(
    record: &wasmtime::component::types::Record,
    json: &Value,
    path: &Path<'_>,
) -> Result<Val, JsonError> {
    let object = json
        .as_object()
        .ok_or_else(|| path.refuse("an object", json))?;
    let known = |name: &str| record.fields().any(|field| field.name == name);
    if let Some((unknown, value)) = object.iter().find(|(name, _)| !known(name)) {
        let names = one_of(record.fields().map(|field| field.name));
        let refused =
            Path::Field(path, unknown).refuse(format!("no such field, but {names}"), value);
        return Err(refused);
    }
    let field = |field: wasmtime::component::types::Field<'_>| {
        let path = Path::Field(path, field.name);
        let val = match object.get(field.name) {
            Some(value) => convert(&field.ty, value, &path)?,
            None => absent(&field.ty, &path)?,
        };
        Ok((field.name.to_owned(), val))
    };
    Ok(Val::Record(
        record.fields().map(field).collect::<Result<_, _>>()?,
    ))
}

/// What a field is that is not written.
fn absent(ty: &Type, path: &Path<'_>) -> Result<Val, JsonError> {
    let json = match ty {
        Type::Bool => json!(false),
        Type::String => json!(""),
        Type::List(_) | Type::Flags(_) => json!([]),
        Type::Record(_) => json!({}),
        Type::Option(_) => Value::Null,
        Type::Variant(_) | Type::Enum(_) | Type::Result(_) | Type::Tuple(_) | Type::Char => {
            return convert(ty, &Value::Null, path);
        }
        _ => json!(0),
    };
    convert(ty, &json, path)
}

/// The name of a case, and its payload where it has one.
fn convert_case(
    cases: &[(&str, Option<Type>)],
    json: &Value,
    path: &Path<'_>,
) -> Result<(String, Option<Box<Val>>), JsonError> {
    let names = || one_of(cases.iter().map(|(name, _)| *name));
    let (name, payload) = match json {
        Value::String(name) => (name, None),
        Value::Object(object) if object.len() == 1 => {
            let entry = object.iter().next();
            let (name, payload) = entry.ok_or_else(|| path.refuse(names(), json))?;
            (name, Some(payload))
        }
        _ => return Err(path.refuse(names(), json)),
    };
    let case = cases.iter().find(|(case, _)| case == name);
    let (_, ty) = case.ok_or_else(|| path.refuse(names(), json))?;
    let inner = Path::Field(path, name);
    let val = match (ty, payload) {
        (None, None | Some(Value::Null)) => None,
        (None, Some(payload)) => return Err(inner.refuse("no payload", payload)),
        (Some(_), None) => return Err(path.refuse(format!("{{\"{name}\": payload}}"), json)),
        (Some(ty), Some(payload)) => Some(Box::new(convert(ty, payload, &inner)?)),
    };
    Ok((name.clone(), val))
}

fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.take(NAMES_MAX).collect();
    format!("one of {}", names.join(", "))
}

//! Where a component has the functions that the host calls, looked up once for each version.

use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

use super::LoadError;
use crate::contract::{auth, chat, gifts, http, interface_name, lifecycle};
use crate::manifest::Manifest;
use crate::state::State;

/// The exported interfaces. Only those that the manifest's hooks need are there, whatever else the component has.
pub(crate) struct Exports {
    pub(crate) lifecycle: lifecycle::GuestIndices,
    pub(crate) auth: Option<auth::GuestIndices>,
    pub(crate) chat: Option<chat::GuestIndices>,
    pub(crate) gifts: Option<gifts::GuestIndices>,
    pub(crate) http: Option<http::GuestIndices>,
}

impl Exports {
    pub(super) fn new(pre: &InstancePre<State>, manifest: &Manifest) -> Result<Self, LoadError> {
        let wanted = manifest.interfaces();
        let refused = |interface: &'static str| {
            move |error: wasmtime::Error| LoadError::Export {
                interface: interface_name(interface),
                reason: format!("{error:#}"),
            }
        };
        macro_rules! interface {
            ($module:ident, $name:literal) => {
                wanted
                    .contains(&$name)
                    .then(|| $module::GuestIndices::new(pre).map_err(refused($name)))
                    .transpose()?
            };
        }
        Ok(Self {
            lifecycle: lifecycle::GuestIndices::new(pre).map_err(refused("lifecycle"))?,
            auth: interface!(auth, "auth"),
            chat: interface!(chat, "chat"),
            gifts: interface!(gifts, "gifts"),
            http: interface!(http, "http"),
        })
    }
}

/// Finds a function of an interface by name, for calls whose types are known at run time only.
pub(crate) fn find(
    component: &Component,
    interface: &str,
    function: &str,
) -> Option<ComponentExportIndex> {
    let interface = component.get_export_index(None, interface_name(interface).as_str())?;
    component.get_export_index(Some(&interface), function)
}

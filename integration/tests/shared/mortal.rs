//! The release plugin, made mortal: a request with very many header fields kills the VM of the worker that it comes to.
//!
//! Nothing that a client sends is known to kill it, so a trap is put in front of one of its callbacks.

use std::io::Write as _;

use goproxy_integration::places;
use tempfile::NamedTempFile;
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Function, FunctionSection, Module, ValType,
};
use wasmparser::{CodeSectionReader, Export, ExternalKind, FunctionSectionReader, Parser};

use crate::world::h1;

const CALLBACK: &str = "proxy_on_request_headers";
/// More header fields than any other request here has; Envoy allows 100.
const DEADLY: i32 = 60;

/// A file with it.
pub(crate) fn plugin() -> NamedTempFile {
    let release = std::fs::read(places::filter_wasm().expect("the plugin")).expect("the plugin");
    let mut module = Module::new();
    let mut trap = Trap::of(&release);
    trap.parse_core_module(&mut module, Parser::new(0), &release)
        .expect("the release plugin can be taken apart");
    let mut file = NamedTempFile::with_suffix(".wasm").expect("a file");
    file.write_all(&module.finish()).expect("a file");
    file
}

/// Kills the VM that serves this connection.
pub(crate) fn kill(client: &mut h1::Connection) {
    let names: Vec<String> = (0..DEADLY).map(|number| format!("x-{number}")).collect();
    let headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    client.ask("/-/healthz", &headers);
    let answer = client.answer(false).expect("Envoy answers for it");
    assert!(answer.status >= 500, "{answer:?}");
}

/// Puts a function in front of the callback.
struct Trap {
    /// The callback, and its type.
    callback: u32,
    kind: u32,
    /// What stands before it.
    trap: u32,
}

impl Trap {
    fn of(wasm: &[u8]) -> Self {
        let (mut imported, mut kinds, mut callback) = (0, Vec::new(), None);
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.expect("a module") {
                wasmparser::Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.expect("an import");
                        imported += u32::from(matches!(
                            import.ty,
                            wasmparser::TypeRef::Func(_) | wasmparser::TypeRef::FuncExact(_)
                        ));
                    }
                }
                wasmparser::Payload::FunctionSection(section) => {
                    kinds = section
                        .into_iter()
                        .map(|kind| kind.expect("a type"))
                        .collect();
                }
                wasmparser::Payload::ExportSection(section) => {
                    let mut exports = section.into_iter().map(|export| export.expect("an export"));
                    callback = exports.find(|export| export.name == CALLBACK);
                }
                _ => {}
            }
        }
        let callback = callback.expect("the callback is exported").index;
        Self {
            callback,
            kind: kinds[(callback - imported) as usize],
            trap: imported + kinds.len() as u32,
        }
    }
}

impl Reencode for Trap {
    type Error = std::convert::Infallible;

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.kind);
        Ok(())
    }

    fn parse_export(
        &mut self,
        exports: &mut ExportSection,
        export: Export<'_>,
    ) -> Result<(), Error<Self::Error>> {
        if export.name == CALLBACK && export.kind == ExternalKind::Func {
            exports.export(CALLBACK, ExportKind::Func, self.trap);
            return Ok(());
        }
        utils::parse_export(self, exports, export)
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_code_section(self, code, section)?;
        // Context, number of fields, end of stream; gives what is to be done.
        let mut function = Function::new(Vec::<(u32, ValType)>::new());
        function
            .instructions()
            .local_get(1)
            .i32_const(DEADLY)
            .i32_gt_s()
            .if_(BlockType::Empty)
            .unreachable()
            .end()
            .local_get(0)
            .local_get(1)
            .local_get(2)
            .call(self.callback)
            .end();
        code.function(&function);
        Ok(())
    }
}

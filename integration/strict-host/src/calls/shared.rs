//! Shared data and queues. Their scope is the `vm_id` alone, so every name is kept with it.

use wasmtime::Linker;

use super::{MODULE, Result, Vm, called, give, take, write};
use crate::status::{Status, number};
use crate::vm::VmState;

pub(super) fn link(linker: &mut Linker<VmState>) -> Result<()> {
    linker.func_wrap(MODULE, "proxy_get_shared_data", get)?;
    linker.func_wrap(MODULE, "proxy_set_shared_data", set)?;
    linker.func_wrap(MODULE, "proxy_register_shared_queue", register)?;
    linker.func_wrap(MODULE, "proxy_resolve_shared_queue", resolve)?;
    linker.func_wrap(MODULE, "proxy_enqueue_shared_queue", enqueue)?;
    linker.func_wrap(MODULE, "proxy_dequeue_shared_queue", dequeue)?;
    Ok(())
}

fn scoped(vm_id: &[u8], name: &[u8]) -> Vec<u8> {
    [vm_id, b"\0", name].concat()
}

fn get(mut vm: Vm<'_>, key: u32, length: u32, pointer: u32, size: u32, cas: u32) -> Result<u32> {
    const CALL: &str = "proxy_get_shared_data";
    called(&mut vm, CALL);
    let key = take(&mut vm, CALL, key, length)?;
    let key = scoped(vm.data().vm_id.as_bytes(), &key);
    let found = vm.data().process.borrow().get(&key);
    match found {
        Ok((value, number)) => {
            give(&mut vm, CALL, &value, pointer, size)?;
            write(&mut vm, CALL, cas, &number.to_le_bytes())?;
            Ok(0)
        }
        Err(status) => Ok(status as u32),
    }
}

fn set(mut vm: Vm<'_>, key: u32, length: u32, value: u32, size: u32, cas: u32) -> Result<u32> {
    const CALL: &str = "proxy_set_shared_data";
    called(&mut vm, CALL);
    let key = take(&mut vm, CALL, key, length)?;
    let value = take(&mut vm, CALL, value, size)?;
    let key = scoped(vm.data().vm_id.as_bytes(), &key);
    let result = vm.data().process.borrow_mut().set(&key, &value, cas);
    Ok(number(result))
}

fn register(mut vm: Vm<'_>, name: u32, length: u32, queue: u32) -> Result<u32> {
    const CALL: &str = "proxy_register_shared_queue";
    called(&mut vm, CALL);
    let name = take(&mut vm, CALL, name, length)?;
    let state = vm.data();
    let name = scoped(state.vm_id.as_bytes(), &name);
    let owner = (state.worker, state.root_of(state.in_force()));
    let id = state.process.borrow_mut().register(&name, owner);
    write(&mut vm, CALL, queue, &id.to_le_bytes())?;
    Ok(0)
}

fn resolve(
    mut vm: Vm<'_>,
    vm_id: u32,
    vm_id_length: u32,
    name: u32,
    length: u32,
    queue: u32,
) -> Result<u32> {
    const CALL: &str = "proxy_resolve_shared_queue";
    called(&mut vm, CALL);
    let vm_id = take(&mut vm, CALL, vm_id, vm_id_length)?;
    let name = take(&mut vm, CALL, name, length)?;
    let found = vm.data().process.borrow().resolve(&scoped(&vm_id, &name));
    match found {
        Ok(id) => write(&mut vm, CALL, queue, &id.to_le_bytes()).map(|()| 0),
        Err(status) => Ok(status as u32),
    }
}

/// OK even where nobody is left to be woken (C33).
fn enqueue(mut vm: Vm<'_>, queue: u32, message: u32, length: u32) -> Result<u32> {
    const CALL: &str = "proxy_enqueue_shared_queue";
    called(&mut vm, CALL);
    let message = take(&mut vm, CALL, message, length)?;
    let result = vm.data().process.borrow_mut().enqueue(queue, &message);
    Ok(number(result))
}

fn dequeue(mut vm: Vm<'_>, queue: u32, pointer: u32, size: u32) -> Result<u32> {
    const CALL: &str = "proxy_dequeue_shared_queue";
    called(&mut vm, CALL);
    let found: std::result::Result<Vec<u8>, Status> = vm.data().process.borrow_mut().dequeue(queue);
    match found {
        Ok(message) => give(&mut vm, CALL, &message, pointer, size).map(|()| 0),
        Err(status) => Ok(status as u32),
    }
}

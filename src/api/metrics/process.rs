//! `process_*`: what the kernel says about this process. Elsewhere than on Linux there is nothing to read.

use super::family::Page;

/// The unit of times in `/proc`; it is 100 on every architecture that Linux runs on today.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) fn add(page: &mut Page) {
    add_stat(page);
    add_limits(page);
    add_network(page);
    if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
        // The directory itself is one of them while it is read.
        let open = entries.count().saturating_sub(1);
        gauge(
            page,
            "process_open_fds",
            "Number of open file descriptors.",
            as_f64(open),
        );
    }
}

fn add_stat(page: &mut Page) {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else {
        return;
    };
    let Some((_, fields)) = stat.rsplit_once(") ") else {
        return;
    };
    let field = |number: usize| -> Option<f64> { fields.split(' ').nth(number - 3)?.parse().ok() };
    if let (Some(user), Some(system)) = (field(14), field(15)) {
        page.counter(
            "process_cpu_seconds_total",
            "Total user and system CPU time spent in seconds.",
        )
        .value(&[], (user + system) / TICKS_PER_SECOND)
        .end();
    }
    let boot = std::fs::read_to_string("/proc/stat").ok().and_then(|stat| {
        let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
        line.trim().parse::<f64>().ok()
    });
    if let (Some(boot), Some(start)) = (boot, field(22)) {
        gauge(
            page,
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            boot + start / TICKS_PER_SECOND,
        );
    }
    if let Some(virtual_bytes) = field(23) {
        gauge(
            page,
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            virtual_bytes,
        );
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    if let Some(kib) = resident {
        gauge(
            page,
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            kib * 1024.0,
        );
    }
}

fn add_limits(page: &mut Page) {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = |name: &str| {
        let rest = limits.lines().find_map(|line| line.strip_prefix(name))?;
        match rest.split_whitespace().next()? {
            // As Go's client prints it.
            "unlimited" => Some(18_446_744_073_709_551_615.0),
            number => number.parse().ok(),
        }
    };
    if let Some(files) = soft("Max open files") {
        gauge(
            page,
            "process_max_fds",
            "Maximum number of open file descriptors.",
            files,
        );
    }
    if let Some(bytes) = soft("Max address space") {
        gauge(
            page,
            "process_virtual_memory_max_bytes",
            "Maximum amount of virtual memory available in bytes.",
            bytes,
        );
    }
}

fn add_network(page: &mut Page) {
    let Ok(netstat) = std::fs::read_to_string("/proc/self/net/netstat") else {
        return;
    };
    // Two lines each: names, then values.
    let mut lines = netstat
        .lines()
        .filter_map(|line| line.strip_prefix("IpExt: "));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else {
        return;
    };
    let octets = |wanted: &str| -> Option<f64> {
        let place = names.split(' ').position(|name| name == wanted)?;
        values.split(' ').nth(place)?.parse().ok()
    };
    for (name, wanted, help) in [
        (
            "process_network_receive_bytes_total",
            "InOctets",
            "Number of bytes received by the process over the network.",
        ),
        (
            "process_network_transmit_bytes_total",
            "OutOctets",
            "Number of bytes sent by the process over the network.",
        ),
    ] {
        if let Some(bytes) = octets(wanted) {
            page.counter(name, help).value(&[], bytes).end();
        }
    }
}

fn gauge(page: &mut Page, name: &str, help: &str, value: f64) {
    page.gauge(name, help).value(&[], value).end();
}

#[expect(clippy::cast_precision_loss, reason = "metrics are doubles")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

// What the configuration calls a port: a PCI address, or a DPDK virtual device with its arguments. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace portcullis::dataplane {

// Whether `device` is a PCI address (with or without its domain), not a virtual device.
[[nodiscard]] bool is_pci_device(std::string_view device);

// The name that DPDK has a port under: `device` without its arguments, a PCI address with its domain.
[[nodiscard]] std::string port_name(std::string_view device);

}  // namespace portcullis::dataplane

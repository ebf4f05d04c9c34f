#include "dataplane/device_name.h"

#include <rte_pci.h>

#include <array>
#include <cstdint>
#include <optional>

namespace portcullis::dataplane {

namespace {

std::string without_arguments(std::string_view device) {
    return std::string(device.substr(0, device.find(',')));
}

std::optional<rte_pci_addr> pci_address_of(std::string_view device) {
    constexpr std::uint8_t kFunctionMax = 7;  // three bits
    rte_pci_addr out{};
    return rte_pci_addr_parse(without_arguments(device).c_str(), &out) == 0
                   && out.function <= kFunctionMax
               ? std::optional<rte_pci_addr>(out)
               : std::nullopt;
}

}  // namespace

bool is_pci_device(std::string_view device) {
    return pci_address_of(device).has_value();
}

std::string port_name(std::string_view device) {
    const std::optional<rte_pci_addr> address = pci_address_of(device);
    if (!address.has_value()) {
        return without_arguments(device);
    }
    std::array<char, PCI_PRI_STR_SIZE> name{};
    rte_pci_device_name(&*address, name.data(), name.size());
    return name.data();
}

}  // namespace portcullis::dataplane

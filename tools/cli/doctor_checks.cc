#include "tools/cli/doctor_checks.h"

#include "dataplane/device_name.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <string_view>

namespace portcullis::cli {

namespace {

constexpr std::uint64_t kMib = 1U << 20U;
constexpr std::uint64_t kHugepageBytes = 2 * kMib;
// Frames of a port and worker: dataplane/port.cc, make_pool(). A frame: its buffer, DPDK's headroom and structures.
constexpr std::uint64_t kFramesPerQueue = 3584;
constexpr std::uint64_t kBufferBytes = 2048;
constexpr std::uint64_t kFrameOverheadBytes = 320;
// Rings, DPDK's own.
constexpr std::uint64_t kBaseBytes = 64 * kMib;
constexpr const char* kPciDevices = "/sys/bus/pci/devices/";
constexpr const char* kUser = "portcullis-dataplane";
constexpr const char* kKernelLine =
    "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&%s /' /etc/default/grub && update-grub && reboot";

struct PortPlace {
    std::string device;     // as configured
    std::string address;    // of PCI; empty for a virtual device
    std::string interface;  // of the kernel, that a virtual device names
    unsigned node = 0;
};

std::string kernel_line_with(const std::string& words) {
    std::string out = kKernelLine;
    return out.replace(out.find("%s"), 2, words);
}

std::string list_of(const std::set<unsigned>& cpus) {
    std::string out;
    for (auto at = cpus.begin(); at != cpus.end();) {
        const unsigned first = *at;
        unsigned last = first;
        for (++at; at != cpus.end() && *at == last + 1; ++at) {
            last = *at;
        }
        out += (out.empty() ? "" : ",") + std::to_string(first)
               + (last == first ? "" : "-" + std::to_string(last));
    }
    return out;
}

std::string pci_address_of(const std::string& device) {
    return dataplane::is_pci_device(device) ? dataplane::port_name(device) : "";
}

std::string interface_of(const std::string& device) {
    constexpr std::string_view kArgument = ",iface=";
    const std::size_t argument = device.find(kArgument);
    if (device.starts_with("net_tap") || argument == std::string::npos) {
        return "";
    }
    const std::size_t value = argument + kArgument.size();
    return device.substr(value, device.find(',', value) - value);
}

struct UserIds {
    std::string user;
    std::string group;
};

// Of passwd(5): name:password:user id:group id:...
std::optional<UserIds> ids_of(const std::string& passwd, const std::string& user) {
    std::istringstream lines(passwd);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string name;
        std::string password;
        UserIds out;
        std::getline(fields, name, ':');
        std::getline(fields, password, ':');
        std::getline(fields, out.user, ':');
        std::getline(fields, out.group, ':');
        if (name == user && !out.user.empty() && !out.group.empty()) {
            return out;
        }
    }
    return std::nullopt;
}

unsigned node_of(const Machine& machine, const std::string& address) {
    // -1 where there is one node only.
    return static_cast<unsigned>(machine.number(kPciDevices + address + "/numa_node").value_or(0));
}

std::vector<PortPlace> places_of(const Machine& machine, const dataplane::Options& options) {
    std::vector<PortPlace> out;
    for (const dataplane::PortPair& pair : options.pairs) {
        for (const std::string* device : {&pair.inside, &pair.outside}) {
            PortPlace place{*device, pci_address_of(*device), interface_of(*device), 0};
            place.node = place.address.empty() ? 0 : node_of(machine, place.address);
            out.push_back(std::move(place));
        }
    }
    return out;
}

bool stays_with_kernel_driver(const std::string& driver) {
    return driver == "mlx5_core" || driver == "mlx4_core";
}

class Examination {
public:
    Examination(const Machine& machine, const dataplane::Options& options)
        : machine_(machine)
        , options_(options)
        , places_(places_of(machine, options)) {}

    std::vector<Finding> all() {
        examine_rights();
        for (const PortPlace& place : places_) {
            examine_port(place);
        }
        examine_pairs();
        examine_hugepages();
        examine_cpus();
        return std::move(findings_);
    }

private:
    void note(Grade grade, std::string topic, std::string message, std::string cure = {}) {
        findings_.push_back({grade, std::move(topic), std::move(message), std::move(cure)});
    }

    void examine_rights() {
        const std::string users = "\n" + machine_.text("/etc/passwd").value_or("");
        if (users.find(std::string("\n") + kUser + ":") == std::string::npos) {
            note(
                Grade::warning,
                "users",
                std::string("there is no user ") + kUser + ", so it can only be started by hand",
                "systemd-sysusers portcullis-dataplane.conf portcullis-control.conf"
            );
        } else {
            note(Grade::good, "users", std::string(kUser) + " exists");
        }
        const std::string folder = options_.socket.parent_path().string();
        if (folder.empty() || !machine_.exists(folder)) {
            note(
                Grade::fault,
                "sockets",
                "the folder " + folder + " does not exist",
                folder == "/run/portcullis" ? "systemd-tmpfiles --create portcullis-dataplane.conf"
                                            : "mkdir -p " + folder
            );
            return;
        }
        const bool listens = machine_.exists(options_.socket.string());
        note(
            Grade::good,
            "sockets",
            options_.socket.string() + (listens ? " is there" : " is not there: no dataplane runs")
        );
    }

    void examine_port(const PortPlace& place) {
        if (place.address.empty()) {
            examine_interface(place);
            return;
        }
        const std::string topic = "port " + place.address;
        const std::string device = kPciDevices + place.address;
        if (!machine_.exists(device)) {
            note(
                Grade::fault,
                topic,
                "there is no such PCI device",
                "lspci -D -d ::0200    (shows the Ethernet ports; correct dataplane.toml)"
            );
            return;
        }
        for (const std::string& interface : machine_.names_in(device + "/net")) {
            examine_routes(topic, interface);
        }
        const std::string driver = machine_.link_name(device + "/driver").value_or("");
        if (stays_with_kernel_driver(driver)) {
            note(Grade::good, topic, "driver " + driver + ", which DPDK works with");
            return;
        }
        if (driver != "vfio-pci") {
            const std::string load =
                machine_.exists("/sys/module/vfio_pci") ? "" : "modprobe vfio-pci && ";
            note(
                Grade::fault,
                topic,
                driver.empty() ? "no driver is bound to it, vfio-pci must be"
                               : "its driver is " + driver + ", not vfio-pci",
                load + "dpdk-devbind.py --bind=vfio-pci " + place.address
            );
        } else {
            note(Grade::good, topic, "driver vfio-pci");
        }
        examine_iommu(place, topic, driver == "vfio-pci");
    }

    void examine_interface(const PortPlace& place) {
        if (place.interface.empty()) {
            return;  // pcap, ring, tap: nothing of this machine's
        }
        const std::string topic = "port " + place.interface;
        if (!machine_.exists("/sys/class/net/" + place.interface)) {
            note(
                Grade::fault,
                topic,
                "there is no interface of this name",
                "ip -brief link    (shows those that there are; correct dataplane.toml)"
            );
            return;
        }
        note(Grade::good, topic, "the interface exists");
        examine_routes(topic, place.interface);
        const std::string disabled =
            machine_.text("/proc/sys/net/ipv6/conf/" + place.interface + "/disable_ipv6")
                .value_or("1");
        if (disabled == "0") {
            note(
                Grade::warning,
                topic,
                "the kernel speaks IPv6 on it, and its neighbour discovery would cross the filter",
                "sysctl -w net.ipv6.conf." + place.interface + ".disable_ipv6=1"
            );
        }
    }

    void examine_routes(const std::string& topic, const std::string& interface) {
        if (machine_.default_route_interfaces().count(interface) != 0) {
            note(
                Grade::fault,
                topic,
                "this machine's default route goes out by it ("
                    + interface + "): you would lose the way in",
                "ip route replace default via GATEWAY dev OTHER    (then `ip route del default dev "
                    + interface + "`, or choose another port)"
            );
        }
    }

    void examine_iommu(const PortPlace& place, const std::string& topic, bool bound) {
        const auto group = machine_.link_name(kPciDevices + place.address + "/iommu_group");
        if (!group) {
            const bool amd = machine_.text("/proc/cpuinfo").value_or("").find("AuthenticAMD")
                             != std::string::npos;
            note(
                Grade::fault,
                topic,
                "no IOMMU guards it: vfio-pci needs one, and without it the port could write "
                "anywhere",
                kernel_line_with(amd ? "amd_iommu=on iommu=pt" : "intel_iommu=on iommu=pt")
            );
            return;
        }
        examine_group_members(place, topic, *group);
        if (bound) {
            examine_group_file(topic, "/dev/vfio/" + *group);
        }
    }

    // VFIO gives out whole groups: each device that is not a bridge must be ours too.
    void examine_group_members(
        const PortPlace& place,
        const std::string& topic,
        const std::string& group
    ) {
        const std::string members = "/sys/kernel/iommu_groups/" + group + "/devices";
        for (const std::string& other : machine_.names_in(members)) {
            const std::string driver =
                machine_.link_name(kPciDevices + other + "/driver").value_or("");
            if (other != place.address && !driver.empty() && driver != "vfio-pci"
                && driver != "pcieport") {
                note(
                    Grade::fault,
                    topic,
                    other + " is in the same IOMMU group (" + group + ") and bound to " + driver,
                    "dpdk-devbind.py --bind=vfio-pci " + other
                        + "    (or put the card into another slot)"
                );
            }
        }
    }

    void examine_group_file(const std::string& topic, const std::string& file) {
        struct stat status {};

        if (::stat(machine_.below(file).c_str(), &status) != 0) {
            note(Grade::fault, topic, file + " does not exist", "modprobe vfio-pci");
            return;
        }
        const std::optional<UserIds> ours =
            ids_of(machine_.text("/etc/passwd").value_or(""), kUser);
        if (!ours.has_value()) {
            return;  // said already
        }
        const bool may = (std::to_string(status.st_uid) == ours->user
                          && (status.st_mode & S_IRUSR) != 0 && (status.st_mode & S_IWUSR) != 0)
                         || (std::to_string(status.st_gid) == ours->group
                             && (status.st_mode & S_IRGRP) != 0 && (status.st_mode & S_IWGRP) != 0);
        if (!may) {
            note(
                Grade::fault,
                topic,
                std::string(kUser) + " may not open " + file,
                "udevadm control --reload && udevadm trigger --subsystem-match=vfio    (or: chown "
                    + std::string(kUser) + " " + file + ")"
            );
        }
    }

    void examine_pairs() {
        for (std::size_t i = 0; i + 1 < places_.size(); i += 2) {
            const PortPlace& inside = places_[i];
            const PortPlace& outside = places_[i + 1];
            if (!inside.address.empty() && !outside.address.empty()
                && inside.node != outside.node) {
                note(
                    Grade::warning,
                    "NUMA",
                    inside.address + " is on node " + std::to_string(inside.node) + ", "
                        + outside.address + " on node " + std::to_string(outside.node)
                        + ": every frame crosses between them",
                    "put both into slots of one node, or pair ports of one card "
                    "(dataplane.toml, [[pair]])"
                );
            }
        }
    }

    [[nodiscard]] std::set<unsigned> nodes_of_ports() const {
        std::set<unsigned> out;
        for (const PortPlace& place : places_) {
            out.insert(place.node);
        }
        return out;
    }

    void examine_hugepages() {
        if (options_.test_mode) {
            note(Grade::good, "hugepages", "none are needed: test_mode");
            return;
        }
        for (const unsigned node : nodes_of_ports()) {
            std::string folder = "/sys/devices/system/node/node" + std::to_string(node)
                                 + "/hugepages/hugepages-2048kB/";
            if (!machine_.exists(folder)) {
                folder = "/sys/kernel/mm/hugepages/hugepages-2048kB/";
            }
            const std::uint64_t total = machine_.number(folder + "nr_hugepages").value_or(0);
            const std::uint64_t free = machine_.number(folder + "free_hugepages").value_or(0);
            const std::uint64_t needed = memory_needed_bytes(options_, machine_, node);
            const std::uint64_t pages = (needed + kHugepageBytes - 1) / kHugepageBytes;
            const std::string topic = "hugepages of node " + std::to_string(node);
            const bool runs = machine_.exists(options_.socket.string());
            // A dataplane that runs has taken its own.
            const std::uint64_t usable = runs ? total : free;
            const std::string numbers = std::to_string(usable) + " of 2 MiB are "
                                        + (runs ? "reserved" : "free") + ", "
                                        + std::to_string(pages) + " are needed";
            if (usable >= pages) {
                note(Grade::good, topic, numbers);
            } else {
                note(
                    Grade::fault,
                    topic,
                    numbers,
                    "echo " + std::to_string(total + pages - usable) + " > " + folder
                        + "nr_hugepages    (now; for ever: hugepages= on the kernel's command line)"
                );
            }
        }
    }

    // Where workers run, as dataplane/eal.cc chooses: what is configured, else the second CPU and up.
    [[nodiscard]] std::set<unsigned> worker_cpus(const std::set<unsigned>& online) const {
        if (!options_.cpus.empty()) {
            return {options_.cpus.begin(), options_.cpus.end()};
        }
        std::set<unsigned> out;
        const bool spare = online.size() > options_.workers;
        for (const unsigned cpu : online) {
            if (out.size() < options_.workers && !(spare && cpu == *online.begin())) {
                out.insert(cpu);
            }
        }
        return out;
    }

    void examine_cpus() {
        const std::set<unsigned> online = machine_.cpus("/sys/devices/system/cpu/online");
        const std::set<unsigned> isolated = machine_.cpus("/sys/devices/system/cpu/isolated");
        if (online.empty()) {
            return;  // a kernel that does not say
        }
        if (online.size() < options_.workers) {
            note(
                Grade::fault,
                "CPUs",
                std::to_string(options_.workers) + " workers, and " + std::to_string(online.size())
                    + " CPUs",
                "set workers = " + std::to_string(std::max<std::size_t>(online.size(), 2) - 1)
                    + " in dataplane.toml"
            );
            return;
        }
        const std::set<unsigned> cpus = worker_cpus(online);
        std::set<unsigned> missing;
        std::set<unsigned> shared;
        for (const unsigned cpu : cpus) {
            if (online.count(cpu) == 0) {
                missing.insert(cpu);
            } else if (isolated.count(cpu) == 0) {
                shared.insert(cpu);
            }
        }
        if (!missing.empty()) {
            note(
                Grade::fault,
                "CPUs",
                "CPU " + list_of(missing) + " of the configuration is not online ("
                    + list_of(online) + " are)",
                "correct cpus in dataplane.toml"
            );
        }
        if (!shared.empty()) {
            note(
                Grade::warning,
                "CPUs",
                "the kernel runs other things on CPU " + list_of(shared)
                    + ", where workers are: frames are missed at peaks",
                kernel_line_with(
                    "isolcpus=" + list_of(cpus) + " nohz_full=" + list_of(cpus)
                    + " rcu_nocbs=" + list_of(cpus)
                )
            );
        } else if (missing.empty()) {
            note(Grade::good, "CPUs", "workers have CPU " + list_of(cpus) + " for themselves");
        }
        examine_cpu_nodes(cpus);
    }

    void examine_cpu_nodes(const std::set<unsigned>& cpus) {
        if (machine_.nodes().size() < 2) {
            return;
        }
        for (const unsigned node : nodes_of_ports()) {
            const std::set<unsigned> local =
                machine_.cpus("/sys/devices/system/node/node" + std::to_string(node) + "/cpulist");
            std::set<unsigned> far;
            for (const unsigned cpu : cpus) {
                if (local.count(cpu) == 0) {
                    far.insert(cpu);
                }
            }
            if (!far.empty()) {
                note(
                    Grade::warning,
                    "NUMA",
                    "ports are on node " + std::to_string(node) + ", workers on CPU " + list_of(far)
                        + " of another node",
                    "choose cpus in dataplane.toml from " + list_of(local)
                );
            }
        }
    }

    const Machine& machine_;
    const dataplane::Options& options_;
    std::vector<PortPlace> places_;
    std::vector<Finding> findings_;
};

}  // namespace

std::uint64_t
memory_needed_bytes(const dataplane::Options& options, const Machine& machine, unsigned node) {
    const std::vector<PortPlace> places = places_of(machine, options);
    const auto here = static_cast<std::uint64_t>(std::count_if(
        places.begin(), places.end(), [&](const PortPlace& place) { return place.node == node; }
    ));
    if (options.memory_mib != 0 && !places.empty()) {
        return options.memory_mib * kMib * here / places.size();
    }
    return kBaseBytes
           + here * options.workers * kFramesPerQueue * (kBufferBytes + kFrameOverheadBytes);
}

std::vector<Finding> examine(const Machine& machine, const dataplane::Options& options) {
    return Examination(machine, options).all();
}

}  // namespace portcullis::cli

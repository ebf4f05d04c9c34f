// What `portcullis doctor` finds on machines that are made up of files.
#include "tools/cli/doctor.h"

#include "tools/cli/doctor_checks.h"
#include "tools/cli/json.h"
#include "tools/cli/temp_dir.h"

#include <catch2/catch.hpp>

#include <unistd.h>

#include <fstream>
#include <sstream>

namespace portcullis::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kInside = "0000:01:00.0";
constexpr const char* kOutside = "0000:01:00.1";
constexpr const char* kPages = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/";

// A machine on which all is well for one pair of ports and two workers; tests take something away.
class Files {
public:
    Files()
        : folder_(std::move(TempDir::create()).value())
        , root_(folder_.file("root")) {
        write(
            "/etc/passwd",
            "root:x:0:0::/root:/bin/sh\nportcullis-dataplane:x:" + std::to_string(::getuid()) + ":"
                + std::to_string(::getgid()) + "::/:/x\n"
        );
        write("/run/portcullis/.keep", "");
        write("/proc/cpuinfo", "vendor_id : AuthenticAMD\n");
        write(
            "/proc/net/route",
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
            "eth9\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        );
        write("/proc/net/ipv6_route", "");
        write("/sys/module/vfio_pci/x", "");
        write("/sys/devices/system/cpu/online", "0-3\n");
        write("/sys/devices/system/cpu/isolated", "2-3\n");
        write("/sys/devices/system/node/node0/cpulist", "0-3\n");
        write(std::string(kPages) + "nr_hugepages", "1024\n");
        write(std::string(kPages) + "free_hugepages", "1000\n");
        port(kInside, "vfio-pci", "7");
        port(kOutside, "vfio-pci", "8");
        config("workers = 2\ncpus = \"2-3\"\n");
    }

    void write(const std::string& path, const std::string& text) const {
        const fs::path file = at(path);
        fs::create_directories(file.parent_path());
        std::ofstream(file) << text;
    }

    void link(const std::string& path, const std::string& target) const {
        fs::create_directories(at(path).parent_path());
        fs::remove(at(path));
        fs::create_symlink(target, at(path));
    }

    void remove(const std::string& path) const { fs::remove_all(at(path)); }

    [[nodiscard]] const fs::path& root() const { return root_; }

    void
    port(const std::string& address, const std::string& driver, const std::string& group) const {
        const std::string device = "/sys/bus/pci/devices/" + address;
        write(device + "/numa_node", "0\n");
        link(device + "/driver", "../../bus/pci/drivers/" + driver);
        link(device + "/iommu_group", "../../../kernel/iommu_groups/" + group);
        write("/sys/kernel/iommu_groups/" + group + "/devices/" + address, "");
        write("/dev/vfio/" + group, "");
    }

    void config(const std::string& keys, const std::string& inside = kInside) const {
        write(
            "/dataplane.toml",
            "version = 1\n" + keys + "[[pair]]\ninside = \"" + inside + "\"\noutside = \""
                + kOutside + "\"\n"
        );
    }

    // The report: what is not good, and the exit status.
    struct Report {
        ExitStatus status = ExitStatus::done;
        Json findings;
        std::string errors;

        // The one finding about `topic` that is not good.
        [[nodiscard]] Json about(const std::string& topic) const {
            Json out;
            for (const Json& one : findings) {
                if (one["topic"] == topic && one["grade"] != "good") {
                    CHECK(out.is_null());
                    out = one;
                }
            }
            return out;
        }
    };

    [[nodiscard]] Report examine() const {
        std::ostringstream out;
        std::ostringstream err;
        Console console{out, err, {}, false};
        Report report;
        report.status = run_doctor({at("/dataplane.toml"), root_, true}, console);
        report.errors = err.str();
        if (report.status != ExitStatus::could_not_run) {
            report.findings = Json::parse(out.str())["findings"];
        }
        return report;
    }

    // That exactly one thing is wrong, and is mended by a command with `cure` in it.
    void expect_only(
        const std::string& topic,
        const std::string& grade,
        const std::string& message,
        const std::string& cure
    ) const {
        const Report report = examine();
        CHECK(report.status == ExitStatus::no);
        std::size_t wrong = 0;
        for (const Json& one : report.findings) {
            wrong += one["grade"] == "good" ? 0U : 1U;
        }
        INFO(report.findings.dump(1));
        CHECK(wrong == 1);
        const Json found = report.about(topic);
        REQUIRE(!found.is_null());
        CHECK(found["grade"] == grade);
        CHECK_THAT(found["message"].get<std::string>(), Catch::Contains(message));
        CHECK_THAT(found["cure"].get<std::string>(), Catch::Contains(cure));
    }

private:
    [[nodiscard]] fs::path at(const std::string& path) const { return root_ / path.substr(1); }

    TempDir folder_;
    fs::path root_;
};

const std::string kPort = std::string("port ") + kInside;

TEST_CASE("doctor: nothing is wrong") {
    const auto report = Files().examine();
    INFO(report.findings.dump(1));
    CHECK(report.status == ExitStatus::done);
    CHECK(report.findings.size() >= 5);
}

TEST_CASE("doctor: a configuration that is missing or wrong") {
    const Files files;
    files.config("workres = 2\n");
    CHECK(files.examine().status == ExitStatus::could_not_run);
    CHECK_THAT(files.examine().errors, Catch::Contains("dataplane.toml:2:1"));
    files.remove("/dataplane.toml");
    CHECK(files.examine().status == ExitStatus::could_not_run);
}

TEST_CASE("doctor: hugepages that do not suffice") {
    const Files files;
    files.write(std::string(kPages) + "free_hugepages", "3\n");
    files.expect_only("hugepages of node 0", "fault", "3 of 2 MiB are free", "nr_hugepages");
    files.config("test_mode = true\nworkers = 2\ncpus = \"2-3\"\n");
    CHECK(files.examine().status == ExitStatus::done);
}

TEST_CASE("doctor: hugepages for as much as is configured, a page more or less") {
    const Files files;
    files.config("workers = 2\ncpus = \"2-3\"\nmemory_mib = 2000\n");
    CHECK(files.examine().status == ExitStatus::done);
    files.config("workers = 2\ncpus = \"2-3\"\nmemory_mib = 2002\n");
    files.expect_only("hugepages of node 0", "fault", "1001 are needed", "echo 1025 > /sys/");
}

TEST_CASE("doctor: a port of the kernel's") {
    const Files files;
    files.port(kInside, "ixgbe", "7");
    files.expect_only(
        kPort, "fault", "its driver is ixgbe", "dpdk-devbind.py --bind=vfio-pci 0000:01:00.0"
    );
    files.port(kInside, "mlx5_core", "7");
    CHECK(files.examine().status == ExitStatus::done);
}

TEST_CASE("doctor: a port that is the way in") {
    const Files files;
    files.port(kInside, "mlx5_core", "7");
    files.write("/sys/bus/pci/devices/0000:01:00.0/net/eth9/x", "");
    files.expect_only(kPort, "fault", "default route goes out by it (eth9)", "ip route");
    files.write("/proc/net/route", "Iface\tDestination\n");
    CHECK(files.examine().status == ExitStatus::done);
    files.write(
        "/proc/net/ipv6_route",
        "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
        "fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth9\n"
    );
    files.expect_only(kPort, "fault", "default route goes out by it (eth9)", "ip route");
}

TEST_CASE("doctor: a port that is not there") {
    const Files files;
    files.remove("/sys/bus/pci/devices/0000:01:00.0");
    files.expect_only(kPort, "fault", "no such PCI device", "lspci");
}

TEST_CASE("doctor: no IOMMU") {
    const Files files;
    files.remove("/sys/bus/pci/devices/0000:01:00.0/iommu_group");
    files.expect_only(kPort, "fault", "no IOMMU", "amd_iommu=on");
    files.write("/proc/cpuinfo", "vendor_id : GenuineIntel\n");
    files.expect_only(kPort, "fault", "no IOMMU", "intel_iommu=on");
}

TEST_CASE("doctor: a stranger in the IOMMU group") {
    const Files files;
    files.write("/sys/kernel/iommu_groups/7/devices/0000:02:00.0", "");
    files.link("/sys/bus/pci/devices/0000:02:00.0/driver", "../drivers/nvme");
    files.expect_only(
        kPort, "fault", "0000:02:00.0 is in the same IOMMU group (7)", "0000:02:00.0"
    );
    files.link("/sys/bus/pci/devices/0000:02:00.0/driver", "../drivers/pcieport");
    CHECK(files.examine().status == ExitStatus::done);
}

TEST_CASE("doctor: a group's file that the dataplane may not open") {
    const Files files;
    files.write("/etc/passwd", "portcullis-dataplane:x:4711:4711::/:/x\n");
    const auto report = files.examine();
    CHECK(report.status == ExitStatus::no);
    CHECK_THAT(report.about(kPort)["cure"].get<std::string>(), Catch::Contains("udevadm"));
}

TEST_CASE("doctor: no user, no folder for the sockets") {
    const Files files;
    files.write("/etc/passwd", "root:x:0:0::/:/x\n");
    files.expect_only("users", "warning", "no user", "systemd-sysusers");
    Files others;
    others.remove("/run/portcullis");
    others.expect_only("sockets", "fault", "/run/portcullis does not exist", "systemd-tmpfiles");
}

TEST_CASE("doctor: CPUs that are shared, offline, too few") {
    const Files files;
    files.write("/sys/devices/system/cpu/isolated", "3\n");
    files.expect_only("CPUs", "warning", "on CPU 2,", "isolcpus=2-3");
    files.write("/sys/devices/system/cpu/isolated", "2-3\n");
    files.write("/sys/devices/system/cpu/online", "0-2\n");
    files.expect_only("CPUs", "fault", "CPU 3 of the configuration is not online", "cpus");
    files.write("/sys/devices/system/cpu/online", "0\n");
    files.expect_only("CPUs", "fault", "2 workers, and 1 CPUs", "workers = 1");
}

TEST_CASE("doctor: workers far from their ports, and ports from each other") {
    const Files files;
    files.write("/sys/devices/system/node/node0/cpulist", "0-1\n");
    files.write("/sys/devices/system/node/node1/cpulist", "2-3\n");
    files.expect_only("NUMA", "warning", "workers on CPU 2-3 of another node", "from 0-1");
    Files apart;
    apart.write("/sys/devices/system/node/node1/cpulist", "");
    apart.write("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", "512\n");
    apart.write(
        "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "512\n"
    );
    apart.write(std::string("/sys/bus/pci/devices/") + kOutside + "/numa_node", "1\n");
    const auto report = apart.examine();
    CHECK(report.status == ExitStatus::no);
    CHECK_THAT(report.findings.dump(), Catch::Contains("every frame crosses between them"));
}

TEST_CASE("doctor: an interface that stays with the kernel") {
    const Files files;
    files.write("/sys/class/net/eth2/x", "");
    files.config("workers = 2\ncpus = \"2-3\"\n", "net_af_packet0,iface=eth2");
    CHECK(files.examine().status == ExitStatus::done);
    files.write("/proc/sys/net/ipv6/conf/eth2/disable_ipv6", "0\n");
    files.expect_only(
        "port eth2", "warning", "neighbour discovery", "net.ipv6.conf.eth2.disable_ipv6=1"
    );
    files.remove("/sys/class/net/eth2");
    const auto report = files.examine();
    CHECK_THAT(
        report.about("port eth2")["message"].get<std::string>(), Catch::Contains("no interface")
    );
}

TEST_CASE("doctor: the text names what mends") {
    const Files files;
    files.port(kInside, "ixgbe", "7");
    std::ostringstream out;
    std::ostringstream err;
    Console console{out, err, {}, false};
    const fs::path root = files.examine().status == ExitStatus::no ? files.root() : fs::path();
    CHECK(run_doctor({root / "dataplane.toml", root, false}, console) == ExitStatus::no);
    CHECK_THAT(
        out.str(),
        Catch::Contains("fault    port 0000:01:00.0: its driver is ixgbe, not vfio-pci\n"
                        "         mend:  dpdk-devbind.py --bind=vfio-pci 0000:01:00.0\n")
            && Catch::EndsWith("\n1 fault, 0 warnings\n")
    );
}

}  // namespace
}  // namespace portcullis::cli

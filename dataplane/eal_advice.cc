#include "dataplane/eal_advice.h"

#include <array>

namespace portcullis::dataplane {

namespace {

struct Advice {
    std::string_view complaint;  // a part of what DPDK 22.11 logs
    const char* meaning;
    const char* cure;
};

// What names a cause before what follows from it: DPDK says both.
constexpr std::array kAdvice = {
    Advice{
        "is world-writable and insecure",
        "everybody may write to a folder above DPDK's drivers, and so replace them",
        "chmod o-w that folder; namei -l /usr/lib/*/dpdk shows the rights on the way"},
    Advice{
        "Is another primary process running",
        "another DPDK program runs under the same name",
        "stop it, or give this one a name of its own: --eal --file-prefix=NAME"},
    Advice{
        "group is not viable",
        "another device of a port's IOMMU group is bound to a driver of the kernel",
        "portcullis doctor names it"},
    Advice{
        "Cannot use IOVA as 'PA'",
        "no IOMMU is switched on, and without one only root may know physical addresses",
        "portcullis doctor says how to switch it on"},
    Advice{
        "failed to open /dev/vfio",
        "this user may not open a port's file below /dev/vfio",
        "portcullis doctor names it, and what mends it"},
    Advice{
        "unavailable",
        "a CPU that a worker shall have is offline, or not allowed to this process",
        "correct cpus in the configuration, or AllowedCPUs= of the unit"},
    Advice{
        "hugepages reported",
        "there are not enough free hugepages",
        "portcullis doctor says how many are needed, and where"},
    Advice{
        "Cannot get hugepage information",
        "there are no hugepages that this user can use",
        "portcullis doctor says how many are needed"},
    Advice{
        "Not enough memory available",
        "there are not enough free hugepages",
        "portcullis doctor says how many are needed, and where"},
    Advice{
        "Permission denied",
        "this user may not do what a port needs",
        "portcullis doctor says what is missing; the unit portcullis-dataplane.service has it"},
};

}  // namespace

std::optional<Error> advice_for(std::string_view complaints) {
    for (const Advice& advice : kAdvice) {
        if (complaints.find(advice.complaint) != std::string_view::npos) {
            return Error{{}, advice.meaning, advice.cure};
        }
    }
    return std::nullopt;
}

}  // namespace portcullis::dataplane

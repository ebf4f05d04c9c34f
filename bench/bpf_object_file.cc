#include "bench/bpf_object_file.h"

#include <bpf/libbpf.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace portcullis::bench {

void CloseBpfObject::operator()(bpf_object* object) const noexcept {
    ::bpf_object__close(object);
}

Result<BpfObject> open_bpf_object(const std::string& name) {
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    const std::filesystem::path path = self.parent_path() / ("portcullis-bench-" + name + ".o");
    if (!std::filesystem::exists(path)) {
        return Error{
            {path.string(), 0, 0},
            "is not there: peers in the kernel were not built",
            "install clang (tools/install_packages test) and build again"};
    }
    (void)::libbpf_set_print(nullptr);
    BpfObject out(::bpf_object__open_file(path.c_str(), nullptr));
    if (out == nullptr) {
        return Error{
            {path.string(), 0, 0},
            "cannot be read: " + std::generic_category().message(errno),
            "build again"};
    }
    return out;
}

}  // namespace portcullis::bench

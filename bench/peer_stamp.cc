#include "bench/peer_stamp.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace portcullis::bench {

namespace {

constexpr const char* kLibrary = "portcullis-bench-stamp.so";
constexpr const char* kOtherWay = "give --peer-sources file";

Result<std::filesystem::path> find_library() {
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    std::filesystem::path out = self.parent_path() / kLibrary;
    if (!std::filesystem::exists(out)) {
        return Error{
            {out.string(), 0, 0},
            "is not there: it gives a peer the frames that we have",
            std::string("build again, or ") + kOtherWay};
    }
    // ld.so(8)
    if (out.string().find_first_of(": ") != std::string::npos) {
        return Error{
            {out.string(), 0, 0},
            "cannot be preloaded into a peer: a space or colon in its path would end it",
            std::string("build in another folder, or ") + kOtherWay};
    }
    return out;
}

// Before the words of a program; stdbuf(1) among them adds its own library to the list.
std::vector<std::string>
environment_words(const std::filesystem::path& library, const StampSettings& stamp) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing sets variables
    const char* const others = std::getenv("LD_PRELOAD");
    return {
        "env",
        "LD_PRELOAD=" + library.string() + (others == nullptr ? "" : ":" + std::string(others)),
        kStampVariable + ("=" + to_text(stamp))};
}

}  // namespace

Result<Dialogue>
start_stamping(const std::vector<std::string>& words, const std::optional<StampSettings>& stamp) {
    if (!stamp) {
        return Dialogue::start(words);
    }
    const Result<std::filesystem::path> library = find_library();
    if (!library) {
        return library.errors();
    }
    std::vector<std::string> all = environment_words(library.value(), *stamp);
    all.insert(all.end(), words.begin(), words.end());
    return Dialogue::start(all);
}

Errors check_stamping(const std::string& peer, const std::string& said, unsigned queues) {
    if (const std::size_t at = said.find(kStampRefusal); at != std::string::npos) {
        return {Error{{}, peer + ": " + said.substr(at, said.find('\n', at) - at), kOtherWay}};
    }
    for (unsigned port = 0; port < kStampedPorts; ++port) {
        if (said.find(stamping_line(port, queues)) == std::string::npos) {
            return {Error{
                {},
                peer
                    + " does not receive the frames that we do: nothing says that those of its "
                      "port "
                    + std::to_string(port) + " are given subscribers",
                std::string("link it with DPDK's shared libraries, or ") + kOtherWay}};
        }
    }
    return {};
}

}  // namespace portcullis::bench

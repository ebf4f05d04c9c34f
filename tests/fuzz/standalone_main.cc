// Replays files through a fuzz target without a fuzzer: its corpus, or an input that a fuzzer found, as a plain test
// under every compiler and sanitizer. One thread. Exit status 2: a file could not be read, or there was none.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

// libFuzzer fixes the name.
extern "C" int LLVMFuzzerTestOneInput(  // NOLINT(readability-identifier-naming)
    const std::uint8_t* data,
    std::size_t size
);

namespace {

namespace fs = std::filesystem;

// `argument`, or the files below it in an order that is the same on every machine.
std::vector<fs::path> files_of(const fs::path& argument) {
    if (!fs::is_directory(argument)) {
        return {argument};
    }
    std::vector<fs::path> files;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(argument)) {
        if (entry.is_regular_file()) {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

void replay(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
        throw std::runtime_error("cannot read " + file.string());
    }
    const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    // An exact copy on the heap, so that AddressSanitizer sees a read one byte past the end.
    const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
    std::printf("%s\n", file.c_str());
    std::fflush(stdout);  // the name of the file that crashes must be out before it does
    LLVMFuzzerTestOneInput(input.data(), input.size());
}

}  // namespace

int main(int argc, char** argv) {
    try {
        std::size_t count = 0;
        for (int i = 1; i < argc; ++i) {
            for (const fs::path& file : files_of(argv[i])) {
                replay(file);
                ++count;
            }
        }
        if (count == 0) {
            throw std::runtime_error("no file to replay: give files, or a directory that holds some"
            );
        }
        std::printf("%zu files replayed\n", count);
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "%s: %s\n", argv[0], problem.what());
        return 2;
    }
    return 0;
}

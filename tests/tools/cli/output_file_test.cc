#include "tools/cli/output_file.h"

#include "tests/tools/cli/pcap_bytes.h"
#include "tools/cli/temp_dir.h"

#include <catch2/catch.hpp>

#include <iterator>

namespace portcullis::cli {
namespace {

std::size_t files_in(const std::filesystem::path& folder) {
    const std::filesystem::directory_iterator begin(folder);
    return static_cast<std::size_t>(std::distance(begin, std::filesystem::directory_iterator()));
}

TEST_CASE("a file appears when it is whole") {
    const TempDir dir = TempDir::create().value();
    const std::filesystem::path path = dir.file("out.tsv");
    save(path, "old");
    OutputFile file = OutputFile::create(path).value();
    file.write("new\n");
    CHECK(load(path) == "old");
    CHECK_FALSE(file.commit().has_value());
    CHECK(load(path) == "new\n");
    CHECK(files_in(path.parent_path()) == 1);
}

TEST_CASE("a file that is never whole leaves nothing behind") {
    const TempDir dir = TempDir::create().value();
    const std::filesystem::path path = dir.file("out.tsv");
    {
        OutputFile file = OutputFile::create(path).value();
        file.write("half");
        CHECK(files_in(path.parent_path()) == 1);
    }
    CHECK(files_in(path.parent_path()) == 0);
}

TEST_CASE("a link goes on naming the file that it named") {
    const TempDir dir = TempDir::create().value();
    save(dir.file("target"), "old");
    std::filesystem::create_symlink("target", dir.file("link"));
    OutputFile file = OutputFile::create(dir.file("link")).value();
    file.write("new");
    CHECK_FALSE(file.commit().has_value());
    CHECK(std::filesystem::is_symlink(dir.file("link")));
    CHECK(load(dir.file("target")) == "new");
}

TEST_CASE("what cannot be written is said by name") {
    const TempDir dir = TempDir::create().value();
    const Result<OutputFile> missing = OutputFile::create(dir.file("no/such/folder"));
    REQUIRE_FALSE(missing.has_value());
    CHECK_THAT(
        to_string(missing.errors()), Catch::Contains("no/such/folder': No such file or directory")
    );
    const Result<OutputFile> folder = OutputFile::create(dir.file(""));
    REQUIRE_FALSE(folder.has_value());
    CHECK_THAT(to_string(folder.errors()), Catch::Contains("Is a directory"));
}

TEST_CASE("a device is written directly, and a full one is an error") {
    OutputFile null = OutputFile::create("/dev/null").value();
    null.write("anything");
    CHECK_FALSE(null.commit().has_value());

    OutputFile full = OutputFile::create("/dev/full").value();
    full.write(std::string(1 << 20U, 'x'));
    const std::optional<Error> error = full.commit();
    REQUIRE(error.has_value());
    CHECK_THAT(error->message, Catch::Equals("cannot write '/dev/full': No space left on device"));
}

}  // namespace
}  // namespace portcullis::cli

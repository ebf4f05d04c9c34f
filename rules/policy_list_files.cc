#include "rules/policy_list_files.h"

#include "rules/quoted_text.h"

#include <filesystem>
#include <utility>

namespace portcullis {

namespace {

constexpr std::size_t kListFilesMax = 1'000;

}  // namespace

std::vector<ListFiles::List> ListFiles::read(const TableReader& table) {
    std::vector<List> out;
    std::set<std::string> seen;
    table.for_each_string("files", [&](const TextValue& name) { read(name, seen, out); });
    return out;
}

void ListFiles::read(const TextValue& name, std::set<std::string>& seen, std::vector<List>& out) {
    const std::filesystem::path path = draft_.file.parent_path() / name.text;
    if (!seen.insert(path.lexically_normal().string()).second) {
        return;  // its prefixes are known
    }
    if (++files_ > kListFilesMax || bytes_ > kTextFileBytesMax) {
        if (!std::exchange(too_many_, true)) {
            draft_.errors.add(
                name.at, "the list files are too many or too large", "at most 1000 with 256 MiB"
            );
        }
        return;
    }
    const Result<std::string> text = read_list_(path);
    if (!text) {
        const std::filesystem::path folder = draft_.file.parent_path();
        draft_.errors.add(
            name.at,
            "cannot read list file " + in_quotes(name.text) + ": "
                + printable(text.errors().front().message),
            "name a readable text file; a relative path begins in "
                + (folder.empty() ? "the current folder" : printable(folder.string()))
        );
        return;
    }
    bytes_ += text.value().size();
    out.push_back({path.string(), {}});
    parse_prefix_list(text.value(), path, name.at, draft_.errors, out.back().prefixes);
}

}  // namespace portcullis

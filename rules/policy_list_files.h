// List files that a policy names, read for its tables. Private to policy_text_*.cc. Cold; one thread at a time.
#pragma once

#include "rules/list_file.h"
#include "rules/policy_draft.h"
#include "rules/policy_text.h"
#include "rules/table_reader.h"
#include "rules/text_value.h"

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace portcullis {

// Of one policy.
class ListFiles {
public:
    ListFiles(const ListReader& read_list, PolicyDraft& draft)
        : read_list_(read_list)
        , draft_(draft) {}

    struct List {
        std::string file;
        std::vector<ListedPrefix> prefixes;
    };

    // The lists that `files` of `table` names, each once, without those that cannot be read. Errors in a list say where
    // in it they are.
    [[nodiscard]] std::vector<List> read(const TableReader& table);

private:
    void read(const TextValue& name, std::set<std::string>& seen, std::vector<List>& out);

    const ListReader& read_list_;
    PolicyDraft& draft_;
    std::size_t files_ = 0;
    std::size_t bytes_ = 0;
    bool too_many_ = false;
};

}  // namespace portcullis

// The slot layout across restarts of control: slots keep their subscribers as long as the state folder lives.
// The layout is on the disk before an image that needs it is published. Publisher's thread.
#pragma once

#include "rules/result.h"
#include "rules/slot_layout.h"

#include <cstdint>
#include <filesystem>
#include <variant>

namespace portcullis {

class LayoutStore {
public:
    // Without a folder the layout lives as long as the process. Loads what the folder holds; otherwise
    // `problem` says why the layout starts empty.
    LayoutStore(const std::filesystem::path& folder, Errors& problem);

    [[nodiscard]] const SlotLayout& layout() const noexcept { return layout_; }

    // Another number whenever slots may mean other subscribers: totals by slot belong to one number.
    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }

    // Takes `layout`, an extension of the one before. An error: it is not on the disk, but taken.
    [[nodiscard]] Result<std::monostate> keep(SlotLayout layout);

private:
    [[nodiscard]] Result<std::monostate> load();

    std::filesystem::path path_;  // empty: kept in memory only
    SlotLayout layout_;
    std::uint64_t id_ = 0;
};

}  // namespace portcullis

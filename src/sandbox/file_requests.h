// The requests about files that take more than a question and an answer (wire/agent.h). The guest is hostile: it sends
// no more than was asked for, and names that stay in their directory.
#pragma once

#include "sandbox/conversation.h"

namespace cloche::sandbox {

// A directory of so many entries, or whose names take so much, is none that anybody has: our memory is not the guest's.
inline constexpr size_t kMostEntries = 1 << 20;
inline constexpr size_t kMostListBytes = 64 << 20;

// How many bytes `sink` got.
Result<uint64_t> read_file(Conversation& guest, const wire::FileRange& range, const Conversation::Sink& sink);
// `source` is called until what it gives is empty.
using Source = std::function<Result<std::span<const std::byte>>()>;
Result<void> write_file(Conversation& guest, const wire::WriteFile& request, const Source& source);
Result<wire::FileStatus> file_status(Conversation& guest, const std::string& path);
Result<std::vector<wire::FileStatus>> list_directory(Conversation& guest, const std::string& path);

}  // namespace cloche::sandbox

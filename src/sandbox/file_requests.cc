#include "sandbox/file_requests.h"

#include <fmt/format.h>
#include <limits.h>

#include <algorithm>

namespace cloche::sandbox {
namespace {

using wire::AgentFrame;

std::unexpected<Error> lied(const char* what) {
  return fail(ErrorCode::kGuest, std::string("the guest's agent ") + what);
}

// Whoever makes a path of it stays in the directory.
bool good_name(const std::string& name) {
  return !name.empty() && name.size() <= NAME_MAX && name != "." && name != ".." &&
         name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

bool good_target(const std::string& target) { return target.size() < PATH_MAX; }

}  // namespace

Result<uint64_t> read_file(Conversation& guest, const wire::FileRange& range, const Conversation::Sink& sink) {
  TRY(guest.send(wire::encode(AgentFrame::kReadFile, range)));
  uint64_t got = 0;
  TRY(guest.take_data([&](std::span<const std::byte> bytes) -> Result<void> {
    if (bytes.size() > range.size - got) return lied("sent more of a file than was asked for");
    got += bytes.size();
    return sink(bytes);
  }));
  TRY(guest.take_done());
  return got;
}

Result<void> write_file(Conversation& guest, const wire::WriteFile& request, const Source& source) {
  TRY(guest.send(wire::encode(AgentFrame::kWriteFile, request)));
  for (;;) {
    std::span<const std::byte> bytes = TRY(source());
    if (bytes.empty()) break;
    for (; !bytes.empty(); bytes = bytes.subspan(std::min<size_t>(bytes.size(), wire::kMaxDataBytes))) {
      // Before all of a large file is sent for nothing.
      if (TRY(guest.was_interrupted())) {
        TRY(guest.take_done());
        return lied("was done before it had the whole file");
      }
      TRY(guest.send_data(bytes.first(std::min<size_t>(bytes.size(), wire::kMaxDataBytes))));
    }
  }
  TRY(guest.send_data({}));
  return guest.take_done();
}

Result<wire::FileStatus> file_status(Conversation& guest, const std::string& path) {
  TRY(guest.send(wire::encode_text(AgentFrame::kStatus, path)));
  auto status = TRY(guest.take<wire::FileStatus>(AgentFrame::kStatusIs));
  if (!good_target(status.target)) return lied("told of a link that leads further than any path");
  return status;
}

Result<std::vector<wire::FileStatus>> list_directory(Conversation& guest, const std::string& path) {
  TRY(guest.send(wire::encode_text(AgentFrame::kList, path)));
  std::vector<wire::FileStatus> all;
  size_t bytes = 0;
  for (;;) {
    auto list = TRY(guest.take<wire::FileList>(AgentFrame::kListIs));
    if (list.entries.empty()) return all;
    for (wire::FileStatus& each : list.entries) {
      if (!good_name(each.name) || !good_target(each.target)) return lied("listed a name that no file can have");
      bytes += each.name.size() + each.target.size();
      all.push_back(std::move(each));
    }
    if (all.size() > kMostEntries || bytes > kMostListBytes)
      return fail(ErrorCode::kGuest, fmt::format("list {}: more than {} entries or {} MiB of names", path, kMostEntries,
                                                 kMostListBytes >> 20));
  }
}

}  // namespace cloche::sandbox

#include "guest/agent/tree.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "guest/agent/data.h"
#include "tar/pack.h"
#include "tar/unpacker.h"

namespace cloche::agent {
namespace {

using wire::AgentFrame;

static_assert(tar::kMostPieceBytes <= wire::kMaxDataBytes);

Result<void> answer(Peer& peer, const Error& error) { return peer.send_error(error.sys_errno, error.what); }

// A path as a directory and a name in it; where it ends with no name, as the directory and ".".
struct Top {
  std::string directory, name;
};

Top top_of(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  size_t slash = path.rfind('/') + 1;  // 0 without one.
  std::string name = path.substr(slash);
  if (name.empty() || name == "." || name == "..") return {path, "."};
  return {slash == 0 ? "." : path.substr(0, slash), name};
}

Result<Fd> open_directory(const std::string& path) { return open_file(path, O_PATH | O_DIRECTORY); }

tar::UnpackOptions options_of(const wire::Unpack& request) {
  return {.name = request.name,
          .links = tar::Links::kAny,  // As any program of the guest could make them.
          .devices = tar::Devices::kMade,
          .owners = request.keep_owners ? tar::Owners::kKept : tar::Owners::kGiven,
          .uid = request.uid,
          .gid = request.gid};
}

}  // namespace

Result<void> pack_tree(Peer& peer, const wire::Pack& request) {
  auto [path, name] = top_of(request.path);
  auto directory = open_directory(path);
  if (!directory) return answer(peer, directory.error());
  Result<void> sent;
  auto send = [&](std::span<const std::byte> piece) {
    sent = peer.send(wire::encode_bytes(AgentFrame::kData, piece));
    return sent;
  };
  auto mounts = request.one_file_system ? tar::Mounts::kLeftOut : tar::Mounts::kCrossed;
  auto packed = tar::pack(directory->get(), name, send, mounts);
  if (!sent) return sent;
  if (!packed) return answer(peer, packed.error());
  TRY(peer.send(wire::encode_bytes(AgentFrame::kData, {})));
  if (packed->changed > 0)
    return peer.send_error(
        0, fmt::format("{} changed while it was packed ({} files did)", packed->first_changed, packed->changed));
  return peer.send(wire::encode_bytes(AgentFrame::kDone, {}));
}

Result<void> unpack_tree(Peer& peer, const wire::Unpack& request) {
  auto directory = open_directory(request.directory);
  std::optional<tar::Unpacker> unpacker;
  if (directory)
    unpacker.emplace(*std::move(directory), options_of(request));
  else
    TRY(answer(peer, directory.error()));
  auto taken = TRY(take_data(peer, [&](std::span<const std::byte> data) {
    return unpacker ? unpacker->write(data) : Result<void>();  // Without one that has been said already.
  }));
  if (!unpacker || !taken) return {};
  if (auto finished = unpacker->finish(); !finished) return answer(peer, finished.error());
  return peer.send(wire::encode_bytes(AgentFrame::kDone, {}));
}

}  // namespace cloche::agent

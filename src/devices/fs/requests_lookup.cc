// LOOKUP, FORGET, BATCH_FORGET: which inodes the guest knows.
#include "devices/fs/requests.h"

namespace cloche::fs {
namespace {

void forget(Session& session, uint64_t node, uint64_t count) {
  const Inode* inode = session.inodes.find(node);
  if (inode == nullptr) return;
  FileId id = inode->file_id();
  session.inodes.forget(node, count);
  if (session.inodes.find(node) != nullptr) return;
  session.quota.forgotten(id);
  if (session.locks.size() == 0) return;
  session.locks.forget(node);
  session.locks_changed = true;
}

}  // namespace

Outcome<void> serve_lookup(Session& session, Request& request) {
  Inode* parent = TRY(session.inode(request.node()));
  Outcome<fuse_entry_out> entry = session.enter(*parent, request.name());
  if (entry) {
    session.inodes.found(request.node(), request.name());
    request.reply(*entry);
    return {};
  }
  bool cache = session.entry_timeout().count() > 0;
  if (entry.error().value != ENOENT || !cache) return std::unexpected(entry.error());
  // Node id 0 says "not there, and remember it"; a plain ENOENT would be asked for again each time.
  fuse_entry_out nothing{};
  session.set_timeout(session.entry_timeout(), nothing.entry_valid, nothing.entry_valid_nsec);
  request.reply(nothing);
  return {};
}

Outcome<void> serve_forget(Session& session, Request& request) {
  forget(session, request.node(), request.arguments<fuse_forget_in>().nlookup);
  return {};
}

Outcome<void> serve_batch_forget(Session& session, Request& request) {
  auto in = request.arguments<fuse_batch_forget_in>();
  auto rest = request.tail();
  // The count is the guest's claim; its bytes decide, and those are bounded by kMaxBodyBytes.
  for (uint32_t i = 0; i < in.count && rest.size() >= sizeof(fuse_forget_one); ++i) {
    fuse_forget_one one;
    std::memcpy(&one, rest.data(), sizeof one);
    forget(session, one.nodeid, one.nlookup);
    rest = rest.subspan(sizeof one);
  }
  return {};
}

}  // namespace cloche::fs

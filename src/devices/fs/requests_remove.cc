// UNLINK, RMDIR, RENAME, RENAME2: names that go.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "devices/fs/requests.h"

namespace cloche::fs {
namespace {

// What a name that is about to go stands for: a directory that injected entries lie in stays, and the quota learns
// whether it was the last name.
class Victim {
 public:
  Victim(Session& session, Inode& parent, const char* name) : quota_(session.quota) {
    if (!quota_.on() && !session.inodes.injects()) return;
    auto directory = session.inodes.path(parent);
    if (!directory) return;
    auto file = open_beneath(**directory, name, O_PATH);
    if (!file) return;
    file_ = std::move(*file);
    auto stat = stat_of(file_);
    if (!stat) return;
    const Inode* inode = session.inodes.known(*stat, parent);
    if (inode == nullptr) return;
    known_ = Quota::Known::kYes;
    auto is_there = [](const VirtualNode::Child& child) { return child.inode != nullptr; };
    holds_injected_ = std::ranges::any_of(inode->injected, is_there);
  }
  Outcome<void> check() const {
    if (holds_injected_) return refuse(ENOTEMPTY);
    return {};
  }
  bool is_there() const { return static_cast<bool>(file_); }
  void removed() {
    if (quota_.on() && file_) quota_.removed(file_.get(), known_);
  }

 private:
  Quota& quota_;
  Fd file_;
  Quota::Known known_ = Quota::Known::kNo;
  bool holds_injected_ = false;
};

Outcome<void> remove(Session& session, Request& request, int flags) {
  Inode* parent = TRY(session.changeable_directory(request.node()));
  if (parent->named(request.name()) != nullptr) return refuse(EROFS);
  TRY(session.inodes.take_name(*parent, request.name()));
  Victim victim(session, *parent, request.name());
  if (flags & AT_REMOVEDIR) TRY(victim.check());
  const Fd* directory = TRY(session.inodes.path(*parent));
  Quota::Change growth(session.quota, directory->get());
  if (::unlinkat(directory->get(), request.name(), flags) < 0) return refuse_errno();
  victim.removed();
  return {};
}

// What moving a name takes of the quota: a directory that gets one more may grow, and a whiteout is a new file.
Outcome<void> check_rename(const Session& session, unsigned flags, bool one_more) {
  if (flags & RENAME_WHITEOUT) return session.quota.check_file();
  if (one_more) return session.quota.check_name();
  return {};
}

struct Move {
  Inode *from, *to;
  unsigned flags;
};

Outcome<void> rename_on_host(Session& session, Request& request, const Move& move) {
  std::optional<Victim> victim;
  if ((move.flags & RENAME_EXCHANGE) == 0) victim.emplace(session, *move.to, request.name(1));
  if (victim) TRY(victim->check());
  TRY(check_rename(session, move.flags, move.from != move.to && victim && !victim->is_there()));
  const Fd* from = TRY(session.inodes.path(*move.from));
  const Fd* to = TRY(session.inodes.path(*move.to));
  Quota::Change source(session.quota, from->get());
  std::optional<Quota::Change> target;
  if (move.from != move.to) target.emplace(session.quota, to->get());
  if (::renameat2(from->get(), request.name(0), to->get(), request.name(1), move.flags) < 0) return refuse_errno();
  if (victim) victim->removed();
  if (move.flags & RENAME_WHITEOUT) session.quota.made();
  return {};
}

Outcome<void> rename(Session& session, Request& request, uint64_t new_parent, unsigned flags) {
  Inode* from = TRY(session.changeable_directory(request.node()));
  Inode* to = TRY(session.changeable_directory(new_parent));
  // Two leaves of a share's tree stand to each other as two mounts do.
  if (from->leaf != to->leaf) return refuse(EXDEV);
  if (from->named(request.name(0)) != nullptr || to->named(request.name(1)) != nullptr) return refuse(EROFS);
  // The inodes known by the two names, where names matter.
  Inode* moved = TRY(session.inodes.take_name(*from, request.name(0)));
  Inode* replaced = TRY(session.inodes.take_name(*to, request.name(1)));
  Outcome<void> renamed = rename_on_host(session, request, {from, to, flags});
  bool exchange = flags & RENAME_EXCHANGE;
  if (moved != nullptr) session.inodes.give_name(*moved, renamed ? *to : *from, request.name(renamed ? 1 : 0));
  if (replaced == nullptr) return renamed;
  if (!renamed) session.inodes.give_name(*replaced, *to, request.name(1));
  if (renamed && exchange) session.inodes.give_name(*replaced, *from, request.name(0));
  return renamed;
}

}  // namespace

Outcome<void> serve_unlink(Session& session, Request& request) { return remove(session, request, 0); }

Outcome<void> serve_rmdir(Session& session, Request& request) { return remove(session, request, AT_REMOVEDIR); }

Outcome<void> serve_rename(Session& session, Request& request) {
  return rename(session, request, request.arguments<fuse_rename_in>().newdir, 0);
}

Outcome<void> serve_rename2(Session& session, Request& request) {
  auto in = request.arguments<fuse_rename2_in>();
  if (in.flags & ~static_cast<uint32_t>(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) return refuse(EINVAL);
  return rename(session, request, in.newdir, in.flags);
}

}  // namespace cloche::fs

// The table of FUSE operations, and the checks that all of them share: lengths, names, state, permission to change.
#include "devices/fs/dispatch.h"

#include "devices/fs/requests.h"

namespace cloche::fs {
namespace {

// What follows a request's fixed part and names.
enum class Tail : uint8_t {
  kNone,
  kText,    // One NUL-terminated string.
  kBytes,   // Bytes, copied.
  kStream,  // File data, left in guest memory.
};
enum class Effect : uint8_t { kReads, kChanges };  // kChanges: refused on a read-only share.
enum class Answer : uint8_t { kReply, kNothing };

struct Operation {
  Handler* serve = nullptr;
  size_t arguments = 0;  // Bytes of the fixed part.
  size_t names = 0;      // Names after it, each one path component.
  Tail tail = Tail::kNone;
  size_t reply = 0;  // Bytes of the reply's body where they are known: without room for them nothing is done.
  Effect effect = Effect::kReads;
  Answer answer = Answer::kReply;
};

constexpr Effect kChanges = Effect::kChanges;
constexpr size_t kEntry = sizeof(fuse_entry_out);

constexpr size_t kOperationCount = FUSE_TMPFILE + 1;
using Table = std::array<Operation, kOperationCount>;

constexpr void add_session(Table& t) {
  t[FUSE_INIT] = {
      .serve = serve_init, .arguments = 4 * sizeof(uint32_t), .tail = Tail::kBytes, .reply = sizeof(fuse_init_out)};
  t[FUSE_DESTROY] = {.serve = serve_destroy};
  t[FUSE_INTERRUPT] = {.serve = serve_interrupt, .arguments = sizeof(fuse_interrupt_in), .answer = Answer::kNothing};
  t[FUSE_STATFS] = {.serve = serve_statfs, .reply = sizeof(fuse_statfs_out)};
  t[FUSE_SYNCFS] = {.serve = serve_syncfs, .tail = Tail::kBytes};
  t[FUSE_LOOKUP] = {.serve = serve_lookup, .names = 1, .reply = kEntry};
  t[FUSE_FORGET] = {.serve = serve_forget, .arguments = sizeof(fuse_forget_in), .answer = Answer::kNothing};
  t[FUSE_BATCH_FORGET] = {.serve = serve_batch_forget,
                          .arguments = sizeof(fuse_batch_forget_in),
                          .tail = Tail::kBytes,
                          .answer = Answer::kNothing};
}

constexpr void add_attributes(Table& t) {
  t[FUSE_GETATTR] = {.serve = serve_getattr, .arguments = sizeof(fuse_getattr_in), .reply = sizeof(fuse_attr_out)};
  t[FUSE_SETATTR] = {
      .serve = serve_setattr, .arguments = sizeof(fuse_setattr_in), .reply = sizeof(fuse_attr_out), .effect = kChanges};
  t[FUSE_READLINK] = {.serve = serve_readlink};
  t[FUSE_GETXATTR] = {.serve = serve_getxattr, .arguments = sizeof(fuse_getxattr_in), .tail = Tail::kText};
  t[FUSE_LISTXATTR] = {.serve = serve_listxattr, .arguments = sizeof(fuse_getxattr_in)};
  // The short form: FUSE_SETXATTR_EXT is not negotiated.
  t[FUSE_SETXATTR] = {
      .serve = serve_setxattr, .arguments = FUSE_COMPAT_SETXATTR_IN_SIZE, .tail = Tail::kBytes, .effect = kChanges};
  t[FUSE_REMOVEXATTR] = {.serve = serve_removexattr, .tail = Tail::kText, .effect = kChanges};
}

constexpr void add_names(Table& t) {
  t[FUSE_CREATE] = {.serve = serve_create,
                    .arguments = sizeof(fuse_create_in),
                    .names = 1,
                    .reply = kEntry + sizeof(fuse_open_out),
                    .effect = kChanges};
  // The guest's kernel sends a name with it (Linux 6.2 on: "/"), which means nothing.
  t[FUSE_TMPFILE] = {.serve = serve_tmpfile,
                     .arguments = sizeof(fuse_create_in),
                     .tail = Tail::kBytes,
                     .reply = kEntry + sizeof(fuse_open_out),
                     .effect = kChanges};
  t[FUSE_MKNOD] = {
      .serve = serve_mknod, .arguments = sizeof(fuse_mknod_in), .names = 1, .reply = kEntry, .effect = kChanges};
  t[FUSE_MKDIR] = {
      .serve = serve_mkdir, .arguments = sizeof(fuse_mkdir_in), .names = 1, .reply = kEntry, .effect = kChanges};
  t[FUSE_SYMLINK] = {.serve = serve_symlink, .names = 1, .tail = Tail::kText, .reply = kEntry, .effect = kChanges};
  t[FUSE_LINK] = {
      .serve = serve_link, .arguments = sizeof(fuse_link_in), .names = 1, .reply = kEntry, .effect = kChanges};
  t[FUSE_UNLINK] = {.serve = serve_unlink, .names = 1, .effect = kChanges};
  t[FUSE_RMDIR] = {.serve = serve_rmdir, .names = 1, .effect = kChanges};
  t[FUSE_RENAME] = {.serve = serve_rename, .arguments = sizeof(fuse_rename_in), .names = 2, .effect = kChanges};
  t[FUSE_RENAME2] = {.serve = serve_rename2, .arguments = sizeof(fuse_rename2_in), .names = 2, .effect = kChanges};
}

constexpr void add_files(Table& t) {
  t[FUSE_OPEN] = {.serve = serve_open, .arguments = sizeof(fuse_open_in), .reply = sizeof(fuse_open_out)};
  t[FUSE_READ] = {.serve = serve_read, .arguments = sizeof(fuse_read_in)};
  t[FUSE_WRITE] = {.serve = serve_write,
                   .arguments = sizeof(fuse_write_in),
                   .tail = Tail::kStream,
                   .reply = sizeof(fuse_write_out),
                   .effect = kChanges};
  t[FUSE_FLUSH] = {.serve = serve_flush, .arguments = sizeof(fuse_flush_in)};
  t[FUSE_RELEASE] = {.serve = serve_release, .arguments = sizeof(fuse_release_in)};
  t[FUSE_FSYNC] = {.serve = serve_fsync, .arguments = sizeof(fuse_fsync_in)};
  t[FUSE_FALLOCATE] = {.serve = serve_fallocate, .arguments = sizeof(fuse_fallocate_in), .effect = kChanges};
  t[FUSE_LSEEK] = {.serve = serve_lseek, .arguments = sizeof(fuse_lseek_in), .reply = sizeof(fuse_lseek_out)};
  t[FUSE_COPY_FILE_RANGE] = {.serve = serve_copy_file_range,
                             .arguments = sizeof(fuse_copy_file_range_in),
                             .reply = sizeof(fuse_write_out),
                             .effect = kChanges};
  t[FUSE_GETLK] = {.serve = serve_getlk, .arguments = sizeof(fuse_lk_in), .reply = sizeof(fuse_lk_out)};
  t[FUSE_SETLK] = {.serve = serve_setlk, .arguments = sizeof(fuse_lk_in)};
  t[FUSE_SETLKW] = {.serve = serve_setlkw, .arguments = sizeof(fuse_lk_in)};
  t[FUSE_IOCTL] = {.serve = serve_ioctl, .arguments = sizeof(fuse_ioctl_in), .tail = Tail::kBytes};
  t[FUSE_OPENDIR] = {.serve = serve_opendir, .arguments = sizeof(fuse_open_in), .reply = sizeof(fuse_open_out)};
  t[FUSE_READDIR] = {.serve = serve_readdir, .arguments = sizeof(fuse_read_in)};
  t[FUSE_READDIRPLUS] = {.serve = serve_readdirplus, .arguments = sizeof(fuse_read_in)};
  t[FUSE_RELEASEDIR] = {.serve = serve_releasedir, .arguments = sizeof(fuse_release_in)};
  t[FUSE_FSYNCDIR] = {.serve = serve_fsyncdir, .arguments = sizeof(fuse_fsync_in)};
}

constexpr void add_dax(Table& t) {
  t[FUSE_SETUPMAPPING] = {.serve = serve_setup_mapping, .arguments = sizeof(fuse_setupmapping_in)};
  t[FUSE_REMOVEMAPPING] = {
      .serve = serve_remove_mapping, .arguments = sizeof(fuse_removemapping_in), .tail = Tail::kBytes};
}

// What is not in it is answered ENOSYS, which Linux remembers and works without: ACCESS (the guest's kernel checks
// permissions itself), BMAP, POLL.
constexpr Table kOperations = [] {
  Table table{};
  add_session(table);
  add_attributes(table);
  add_names(table);
  add_files(table);
  add_dax(table);
  return table;
}();

// Takes one NUL-terminated string off the front of `bytes`; null when there is no NUL.
const char* take_string(std::span<const std::byte>& bytes) {
  const void* end = bytes.empty() ? nullptr : std::memchr(bytes.data(), 0, bytes.size());
  if (end == nullptr) return nullptr;
  auto* text = reinterpret_cast<const char*>(bytes.data());
  bytes = bytes.subspan(static_cast<size_t>(static_cast<const std::byte*>(end) - bytes.data()) + 1);
  return text;
}

// Copies the body out of guest memory, once, and takes it apart.
Outcome<void> parse(Session& session, const Operation& operation, const virtio::Chain& chain, Request& request) {
  size_t size = request.header().len - sizeof(fuse_in_header);
  if (size < operation.arguments) return refuse(EINVAL);
  size_t copied = operation.tail == Tail::kStream ? operation.arguments : size;
  if (copied > session.body.size()) return refuse(EINVAL);
  auto body = session.body.bytes().first(copied);
  if (!chain.copy_out(sizeof(fuse_in_header), body)) return refuse(EINVAL);
  std::span<const std::byte> rest = body.subspan(operation.arguments);
  std::array<const char*, 2> names{};
  for (size_t i = 0; i < operation.names; ++i) {
    names[i] = take_string(rest);
    if (names[i] == nullptr) return refuse(EINVAL);
    TRY(check_component(names[i]));
  }
  if (operation.tail == Tail::kText) {
    std::span<const std::byte> text = rest;
    if (take_string(text) == nullptr || !text.empty()) return refuse(EINVAL);
  }
  if (operation.tail == Tail::kNone && !rest.empty()) return refuse(EINVAL);
  request.set_body(body.first(operation.arguments), names, rest);
  return {};
}

Outcome<void> run(Session& session, const Operation& operation, const virtio::Chain& chain, Request& request) {
  TRY(parse(session, operation, chain, request));
  if (!session.started && operation.serve != serve_init && operation.serve != serve_destroy) return refuse(EIO);
  if (session.options.read_only && operation.effect == Effect::kChanges) return refuse(EROFS);
  return operation.serve(session, request);
}

uint32_t answer(const virtio::Chain& chain, const fuse_in_header& header, int error, size_t body) {
  fuse_out_header out{.len = static_cast<uint32_t>(sizeof out + body), .error = -error, .unique = header.unique};
  if (!chain.copy_in(0, std::as_bytes(std::span(&out, 1)))) return 0;
  return out.len;
}

}  // namespace

std::optional<uint32_t> serve(Session& session, const virtio::Chain& chain) {
  fuse_in_header header;
  if (!chain.copy_out(0, std::as_writable_bytes(std::span(&header, 1)))) {
    session.log.debug("fs {}: a request without a whole header", session.options.tag);
    return 0;
  }
  size_t writable = chain.writable_size();
  bool known = header.opcode < kOperations.size() && kOperations[header.opcode].serve != nullptr;
  const Operation& operation = kOperations[known ? header.opcode : 0];
  bool replies = operation.answer == Answer::kReply;
  if (replies && writable < sizeof(fuse_out_header)) return 0;  // What cannot be answered is not done.
  size_t room = replies ? writable - sizeof(fuse_out_header) : 0;
  Outcome<void> done;
  Request request(chain, header, room);
  if (header.len < sizeof header || header.len != chain.readable_size()) {
    done = refuse(EINVAL);
  } else if (!known) {
    done = refuse(ENOSYS);
  } else if (room < operation.reply) {
    done = refuse(EINVAL);
  } else {
    done = run(session, operation, chain, request);
  }
  session.log.debug("fs {}: operation {} on {}: {}", session.options.tag, header.opcode, header.nodeid,
                    done ? 0 : done.error().value);
  if (!replies) return 0;
  if (!done && done.error().value == kLater) return std::nullopt;
  if (!done) return answer(chain, header, done.error().value, 0);
  return answer(chain, header, 0, request.replied());
}

uint32_t answer_error(const virtio::Chain& chain, int error) {
  fuse_in_header header{};
  static_cast<void>(chain.copy_out(0, std::as_writable_bytes(std::span(&header, 1))));
  return answer(chain, header, error, 0);
}

uint64_t unique_of(const virtio::Chain& chain) {
  fuse_in_header header{};
  static_cast<void>(chain.copy_out(0, std::as_writable_bytes(std::span(&header, 1))));
  return header.unique;
}

}  // namespace cloche::fs

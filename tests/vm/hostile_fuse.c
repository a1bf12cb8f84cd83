// A guest kernel that is a hostile FUSE client: it asks the shares for what no Linux would. It says on the serial port
// how many answers are as expected, part by part, and ends with a verdict.
//
// There are two shares beside the guest's root, in this order: one that can be written, one that cannot. Both hold
// `file` ("contents"), `dir/inner`, the fifo `fifo` and `host-link`, a symbolic link to ../outside. SECRET is what the
// files beside the shares say.
#include <asm-generic/fcntl.h>

#include "raw_fuse.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define PUT(...) put(&(__VA_ARGS__), sizeof(__VA_ARGS__))

// A request of arguments alone.
static int ask(u32 opcode, u64 node, const void* arguments, u32 size) {
  begin(opcode, node);
  put(arguments, size);
  return send();
}
#define ASK(opcode, node, ...) ask(opcode, node, &(__VA_ARGS__), sizeof(__VA_ARGS__))

static int hello(u32 major, u32 minor) {
  return ASK(FUSE_INIT, 0,
             (struct fuse_init_in){.major = major, .minor = minor, .max_readahead = 1 << 20, .flags = ~0u});
}

static int look(u64 node, const char* name) {
  begin(FUSE_LOOKUP, node);
  text(name);
  return send();
}

static u64 found(void) { return ((const struct fuse_entry_out*)answer())->nodeid; }
static u64 find(const char* name) { return look(1, name) == 0 ? found() : 0; }

static int get_attributes(u64 node) { return ASK(FUSE_GETATTR, node, (struct fuse_getattr_in){0}); }

static int open_as(u32 opcode, u64 node, u32 flags) { return ASK(opcode, node, (struct fuse_open_in){.flags = flags}); }

static u64 opened(u32 opcode, u64 node, u32 flags) {
  if (open_as(opcode, node, flags) != 0) return ~0ul;
  return ((const struct fuse_open_out*)answer())->fh;
}

static int read_as(u32 opcode, u64 node, struct fuse_read_in in) { return ASK(opcode, node, in); }

static int release_as(u32 opcode, u64 node, u64 handle) {
  return ASK(opcode, node, (struct fuse_release_in){.fh = handle});
}

static int write_at(u64 node, u64 handle, u64 offset) {
  begin(FUSE_WRITE, node);
  PUT((struct fuse_write_in){.fh = handle, .offset = offset, .size = 4});
  put("evil", 4);
  return send();
}

static int set_attributes(u64 node, struct fuse_setattr_in in) { return ASK(FUSE_SETATTR, node, in); }

// The requests that take a name, with all else in order. The second name of FUSE_RENAME2 is the one in question.
static const u32 kNamed[] = {FUSE_LOOKUP, FUSE_MKNOD,  FUSE_MKDIR, FUSE_CREATE, FUSE_SYMLINK,
                             FUSE_LINK,   FUSE_UNLINK, FUSE_RMDIR, FUSE_RENAME, FUSE_RENAME2};

static void begin_named(u32 opcode, u64 parent) {
  u64 file = opcode == FUSE_LINK ? find("file") : 0;
  begin(opcode, parent);
  if (opcode == FUSE_MKNOD) PUT((struct fuse_mknod_in){.mode = S_IFREG | 0600});
  if (opcode == FUSE_MKDIR) PUT((struct fuse_mkdir_in){.mode = 0700});
  if (opcode == FUSE_CREATE) PUT((struct fuse_create_in){.flags = O_RDWR, .mode = 0600});
  if (opcode == FUSE_LINK) PUT((struct fuse_link_in){.oldnodeid = file});
  if (opcode == FUSE_RENAME) PUT((struct fuse_rename_in){.newdir = 1});
  if (opcode == FUSE_RENAME2) PUT((struct fuse_rename2_in){.newdir = 1});
  if (opcode == FUSE_RENAME2) text("file");
}

static void end_named(u32 opcode) {
  if (opcode == FUSE_SYMLINK || opcode == FUSE_RENAME) text("target");
}

// --- What it tries

static void sessions(void) {
  expect(EIO, look(1, "file"), "before INIT", 0);
  expect(EPROTO, hello(7, 30), "7.30", 0);
  expect(EPROTO, hello(6, 99), "6.99", 0);
  expect(EIO, look(1, "file"), "after a refused INIT", 0);
  expect(0, hello(8, 0), "8.0", 0);
  must(((const struct fuse_init_out*)answer())->major == 7, "a newer client learns our version");
  expect(EIO, look(1, "file"), "after half an INIT", 0);
  expect(0, hello(7, 38), "7.38", 0);
  expect(0, look(1, "file"), "after INIT", 0);
  begin(FUSE_DESTROY, 0);
  expect(0, send(), "DESTROY", 0);
  expect(EIO, look(1, "file"), "after DESTROY", 0);
  expect(0, hello(7, 38), "7.38 again", 0);
}

static void names(void) {
  static const char* kBad[] = {"",
                               ".",
                               "..",
                               "/",
                               "a/b",
                               "../outside",
                               "/etc/passwd",
                               "dir/../file",
                               "dir/inner",
                               "file/",
                               "../../../../etc/passwd"};
  for (u32 i = 0; i < COUNT(kNamed); ++i) {
    u32 opcode = kNamed[i];
    for (u32 bad = 0; bad < COUNT(kBad); ++bad) {
      begin_named(opcode, 1);
      text(kBad[bad]);
      end_named(opcode);
      expect(EINVAL, send(), kBad[bad], opcode);
    }
    for (u32 size = 256; size <= 0x8000; size *= 2) {
      begin_named(opcode, 1);
      fill('x', size);
      text("");
      end_named(opcode);
      expect(ENAMETOOLONG, send(), "a long name", opcode);
    }
    begin_named(opcode, 1);
    expect(EINVAL, send(), "no name", opcode);
    begin_named(opcode, 1);
    put("file", 4);
    expect(EINVAL, send(), "no NUL", opcode);
    begin_named(opcode, 1);
    put("fi\0le", 6);
    end_named(opcode);
    expect(EINVAL, send(), "a NUL inside", opcode);
    begin_named(opcode, 1);
    fill('x', 1 << 20);
    expect(EINVAL, send(), "a name of 1 MiB", opcode);
  }
  expect(0, look(1, "file"), "nothing happened to", 0);
  expect(0, look(1, "target"), "nothing was made as", 0);
  must(found() == 0, "nothing was made");
}

static void nodes(void) {
  static const u64 kNever[] = {0, 1u << 20, 1ul << 32, ~0ul, ~0ul - 1};
  static const u32 kByNode[] = {FUSE_LOOKUP, FUSE_UNLINK, FUSE_RMDIR, FUSE_MKDIR, FUSE_CREATE, FUSE_SYMLINK};
  for (u32 i = 0; i < COUNT(kNever); ++i) {
    u64 node = kNever[i];
    expect(ENOENT, get_attributes(node), "GETATTR", i);
    expect(ENOENT, open_as(FUSE_OPEN, node, O_RDONLY), "OPEN", i);
    expect(ENOENT, open_as(FUSE_OPENDIR, node, O_RDONLY), "OPENDIR", i);
    expect(ENOENT, set_attributes(node, (struct fuse_setattr_in){.valid = FATTR_MODE}), "SETATTR", i);
    begin(FUSE_READLINK, node);
    expect(ENOENT, send(), "READLINK", i);
    begin(FUSE_STATFS, node);
    expect(ENOENT, send(), "STATFS", i);
    expect(ENOENT, ASK(FUSE_LISTXATTR, node, (struct fuse_getxattr_in){.size = 99}), "LISTXATTR", i);
    for (u32 k = 0; k < COUNT(kByNode); ++k) {
      begin_named(kByNode[k], node);
      text("x");
      end_named(kByNode[k]);
      expect(ENOENT, send(), "of a node never given", kByNode[k]);
    }
    begin(FUSE_RENAME, 1);
    PUT((struct fuse_rename_in){.newdir = node});
    text("file");
    text("moved");
    expect(ENOENT, send(), "RENAME to", i);
    begin(FUSE_LINK, 1);
    PUT((struct fuse_link_in){.oldnodeid = node});
    text("linked");
    expect(ENOENT, send(), "LINK", i);
  }
}

static void forget(u64 node, u64 count, u32 queue) {
  begin(FUSE_FORGET, node);
  PUT((struct fuse_forget_in){.nlookup = count});
  ((struct fuse_in_header*)request())->len = request_size;
  expect(kSilence, exchange(queue, request_size, queue == kFirst ? 0 : kRoom), "FORGET", count);
}

static void forgets(void) {
  u64 file = find("file"), handle = opened(FUSE_OPEN, file, O_RDONLY);
  forget(file, ~0ul, kFirst);
  expect(ENOENT, get_attributes(file), "a forgotten node", 0);
  expect(ENOENT, open_as(FUSE_OPEN, file, O_RDONLY), "OPEN of it", 0);
  forget(file, ~0ul, kRequests);
  expect(0, read_as(FUSE_READ, file, (struct fuse_read_in){.fh = handle, .size = 99}), "READ of its open file", 0);
  must(answer_size() == 8 && holds(answer(), 8, "contents"), "what it says");
  expect(0, release_as(FUSE_RELEASE, file, handle), "RELEASE of it", 0);
  must(find("file") != file, "its number is not given again");
  u64 directory = find("dir");
  look(directory, "inner");
  u64 inner = found();
  forget(directory, ~0ul, kFirst);
  expect(0, get_attributes(inner), "what was in a forgotten directory", 0);
  forget(1, ~0ul, kFirst);
  forget(1, 1, kRequests);
  expect(0, get_attributes(1), "the root forgotten", 0);
  forget(0, ~0ul, kFirst);
  forget(1ul << 40, 1, kFirst);
  for (u32 size = 0; size <= 40; size += 8) {  // A count that is not true.
    begin(FUSE_BATCH_FORGET, 0);
    PUT((struct fuse_batch_forget_in){.count = ~0u});
    fill(0xff, size);
    ((struct fuse_in_header*)request())->len = request_size;
    expect(kSilence, exchange(kFirst, request_size, 0), "BATCH_FORGET", size);
  }
  expect(0, look(1, "file"), "after it all", 0);
}

static void lengths(void) {
  static const u32 kLies[] = {0, 1, 39, 40, 44, 46, 4096, 0x7fffffff, 0xffffffff};
  for (u32 i = 0; i < COUNT(kLies); ++i) {
    begin(FUSE_LOOKUP, 1);
    text("file");
    ((struct fuse_in_header*)request())->len = kLies[i];
    expect(EINVAL, exchange(kRequests, request_size, kRoom), "a length of", kLies[i]);
  }
  begin(FUSE_MKDIR, 1);
  PUT((struct fuse_mkdir_in){.mode = 0700});
  text("never");
  ((struct fuse_in_header*)request())->len = request_size;
  for (u32 room = 0; room < 16; room += 3)
    expect(kSilence, exchange(kRequests, request_size, room), "no room for a header", room);
  for (u32 room = 16; room < 144; room += 63)
    expect(EINVAL, exchange(kRequests, request_size, room), "no room for an entry", room);
  for (u32 size = 1; size < kHead; size += 19)
    expect(kSilence, exchange(kRequests, size, kRoom), "less than a header", size);
  expect(0, look(1, "never"), "none of it made", 0);
  must(found() == 0, "none of it was made");
  static const u32 kUnknown[] = {0, 7, 19, FUSE_ACCESS, FUSE_BMAP, FUSE_POLL, FUSE_TMPFILE + 1, 4096, 0xffffffff};
  for (u32 i = 0; i < COUNT(kUnknown); ++i) {
    begin(kUnknown[i], 1);
    fill(0, 64);
    expect(ENOSYS, send(), "operation", kUnknown[i]);
  }
}

// Handles that are none, or of the other kind.
static void handle_is_refused(u64 handle, u64 file) {
  static const struct {
    u32 opcode, size;
  } kByHandle[] = {{FUSE_READ, sizeof(struct fuse_read_in)},
                   {FUSE_FLUSH, sizeof(struct fuse_flush_in)},
                   {FUSE_RELEASE, sizeof(struct fuse_release_in)},
                   {FUSE_FSYNC, sizeof(struct fuse_fsync_in)},
                   {FUSE_FALLOCATE, sizeof(struct fuse_fallocate_in)},
                   {FUSE_LSEEK, sizeof(struct fuse_lseek_in)},
                   {FUSE_COPY_FILE_RANGE, sizeof(struct fuse_copy_file_range_in)}};
  for (u32 i = 0; i < COUNT(kByHandle); ++i) {
    begin(kByHandle[i].opcode, file);
    put(&handle, sizeof handle);
    fill(0, kByHandle[i].size - sizeof handle);
    if (kByHandle[i].opcode == FUSE_LSEEK) ((struct fuse_lseek_in*)(request() + kHead))->whence = 3;
    expect(EBADF, send(), "of a wrong handle", kByHandle[i].opcode);
  }
  expect(EBADF, write_at(file, handle, 0), "WRITE to a wrong handle", handle);
  struct fuse_setattr_in in = {.valid = FATTR_SIZE | FATTR_FH, .fh = handle};
  expect(EBADF, set_attributes(file, in), "SETATTR of a wrong handle", handle);
}

static void handles(void) {
  u64 file = find("file"), directory = find("dir");
  u64 of_file = opened(FUSE_OPEN, file, O_RDONLY), of_directory = opened(FUSE_OPENDIR, directory, O_RDONLY);
  static const u32 kOfDirectories[] = {FUSE_READDIR, FUSE_READDIRPLUS};
  handle_is_refused(of_directory, file);
  handle_is_refused(0, file);
  handle_is_refused(1ul << 32, file);
  handle_is_refused(~0ul, file);
  for (u32 i = 0; i < 2; ++i) {
    struct fuse_read_in in = {.fh = of_file, .size = 4096};
    expect(EBADF, read_as(kOfDirectories[i], directory, in), "a directory read by a file's handle", i);
    in.fh = of_directory;
    expect(ENOTDIR, read_as(kOfDirectories[i], file, in), "a file read as a directory", i);
    expect(kAnything, read_as(kOfDirectories[i], 1, in), "another directory's handle", i);
  }
  expect(EBADF, release_as(FUSE_RELEASEDIR, directory, of_file), "RELEASEDIR of a file", 0);
  expect(EBADF, write_at(file, of_file, 0), "WRITE to what was opened for reading", 0);
  expect(0, release_as(FUSE_RELEASE, directory, of_file), "RELEASE", 0);
  expect(EBADF, release_as(FUSE_RELEASE, file, of_file), "RELEASE once more", 0);
  handle_is_refused(of_file, file);
  expect(0, release_as(FUSE_RELEASEDIR, file, of_directory), "RELEASEDIR", 0);
  expect(ENOTDIR, open_as(FUSE_OPENDIR, file, O_RDONLY), "OPENDIR of a file", 0);
  expect(EISDIR, open_as(FUSE_OPEN, directory, O_RDONLY), "OPEN of a directory", 0);
}

// A node that is neither a file nor a directory is not opened in any way, and leads nowhere.
static void leads_nowhere(const char* name, int on_open) {
  static const u32 kFlags[] = {O_RDONLY,
                               O_WRONLY,
                               O_RDWR,
                               O_RDWR | O_TRUNC,
                               O_RDONLY | O_DIRECTORY,
                               O_RDONLY | __O_TMPFILE | O_DIRECTORY,
                               O_RDONLY | O_PATH,
                               O_RDWR | O_CREAT};
  u64 node = find(name);
  must(node != 0, name);
  for (u32 i = 0; i < COUNT(kFlags); ++i) {
    int writes = (kFlags[i] & (O_ACCMODE | O_TRUNC)) != 0;
    expect(to == &shares[1] && writes ? EROFS : on_open, open_as(FUSE_OPEN, node, kFlags[i]), name, kFlags[i]);
  }
  expect(ENOTDIR, open_as(FUSE_OPENDIR, node, O_RDONLY), name, FUSE_OPENDIR);
  expect(ENOTDIR, look(node, "outside"), name, FUSE_LOOKUP);
  begin(FUSE_GETXATTR, node);
  PUT((struct fuse_getxattr_in){.size = 99});
  text("user.x");
  expect(ENODATA, send(), name, FUSE_GETXATTR);
  begin(FUSE_IOCTL, node);
  PUT((struct fuse_ioctl_in){.cmd = 0x80086601, .out_size = 8});  // FS_IOC_GETFLAGS.
  expect(EOPNOTSUPP, send(), name, FUSE_IOCTL);
  if (to == &shares[1]) return;
  begin_named(FUSE_CREATE, node);
  text("made");
  expect(ENOTDIR, send(), name, FUSE_CREATE);
  begin(FUSE_CREATE, 1);
  PUT((struct fuse_create_in){.flags = O_RDWR | O_TRUNC, .mode = 0600});
  text(name);
  expect(on_open, send(), "CREATE of what is there", 0);
  begin(FUSE_UNLINK, node);
  text("outside");
  expect(ENOTDIR, send(), name, FUSE_UNLINK);
  expect(EINVAL, set_attributes(node, (struct fuse_setattr_in){.valid = FATTR_SIZE}), name, FUSE_SETATTR);
  begin(FUSE_SETXATTR, node);
  PUT((u32[4]){1, 0, 0, 0});
  text("user.x");
  fill('x', 1);
  expect(EOPNOTSUPP, send(), name, FUSE_SETXATTR);
}

static void links(void) {
  static const char* kTargets[] = {"../outside", "..", "/", "/etc/passwd", "/proc/self/root/etc/passwd", "self"};
  leads_nowhere("host-link", ELOOP);
  leads_nowhere("fifo", EACCES);
  if (to == &shares[1]) return;
  for (u32 i = 0; i < COUNT(kTargets); ++i) {
    char name[] = {'l', 'i', 'n', 'k', (char)('0' + i), 0};
    begin(FUSE_SYMLINK, 1);
    text(name);
    text(kTargets[i]);
    expect(0, send(), "SYMLINK", i);
    leads_nowhere(name, ELOOP);
    u64 node = find(name);
    expect(EOPNOTSUPP, set_attributes(node, (struct fuse_setattr_in){.valid = FATTR_MODE, .mode = 0777}), "mode", i);
    // Of the link itself, where it is done at all.
    struct fuse_setattr_in in = {.valid = FATTR_UID | FATTR_GID | FATTR_MTIME, .mtime = 1};
    expect(0, set_attributes(node, in), "owner and time", i);
    begin(FUSE_LINK, 1);
    PUT((struct fuse_link_in){.oldnodeid = node});
    char other[] = {'h', 'a', 'r', 'd', (char)('0' + i), 0};
    text(other);
    if (send() == 0) leads_nowhere(other, ELOOP);
  }
  static const u32 kKinds[] = {S_IFCHR, S_IFBLK, S_IFDIR, S_IFLNK, 0170000};
  for (u32 i = 0; i < COUNT(kKinds); ++i) {
    begin(FUSE_MKNOD, 1);
    PUT((struct fuse_mknod_in){.mode = kKinds[i] | 0666, .rdev = 0x103});
    text("node");
    expect(i < 2 ? EPERM : EINVAL, send(), "MKNOD", i);
  }
  static const u32 kMade[] = {S_IFIFO, S_IFSOCK};
  for (u32 i = 0; i < 2; ++i) {
    begin(FUSE_MKNOD, 1);
    PUT((struct fuse_mknod_in){.mode = kMade[i] | 0666});
    text(i == 0 ? "my-fifo" : "my-socket");
    expect(0, send(), "MKNOD of our own", i);
    leads_nowhere(i == 0 ? "my-fifo" : "my-socket", EACCES);
  }
}

static void sizes(void) {
  static const u64 kFar[] = {8, 1ul << 40, ~0ul >> 1, 1ul << 63, ~0ul};
  u64 file = find("file"), handle = opened(FUSE_OPEN, file, O_RDONLY);
  u64 root = opened(FUSE_OPENDIR, 1, O_RDONLY);
  expect(0, read_as(FUSE_READ, file, (struct fuse_read_in){.fh = handle, .size = ~0u}), "READ of 4 GiB", 0);
  must(answer_size() == 8, "no more than there is");
  for (u32 i = 0; i < COUNT(kFar); ++i) {
    struct fuse_read_in in = {.fh = handle, .offset = kFar[i], .size = ~0u};
    int error = read_as(FUSE_READ, file, in);
    expect(i < 2 ? 0 : kAnything, error, "READ beyond the end", i);
    if (i >= 3) expect(EINVAL, error, "READ at a negative offset", i);
    must(error != 0 || answer_size() == 0, "nothing is there");
    in.fh = root;
    for (u32 plus = 0; plus < 2; ++plus)
      expect(i >= 3 ? EINVAL : kAnything, read_as(plus ? FUSE_READDIRPLUS : FUSE_READDIR, 1, in), "READDIR far out", i);
  }
  for (u32 size = 0; size < 24; size += 8)
    expect(EINVAL, read_as(FUSE_READDIR, 1, (struct fuse_read_in){.fh = root, .size = size}), "a small page", size);
  for (u32 i = 0; i < 200; ++i) {  // Positions that were never given.
    struct fuse_read_in in = {.fh = root, .offset = pick() >> below(64), .size = below(9000)};
    expect(kAnything, read_as(below(2) ? FUSE_READDIR : FUSE_READDIRPLUS, 1, in), "READDIR at random", i);
  }
  expect(0, release_as(FUSE_RELEASE, file, handle), "RELEASE", 0);
  expect(0, release_as(FUSE_RELEASEDIR, 1, root), "RELEASEDIR", 0);
  if (to == &shares[1]) return;
  handle = opened(FUSE_OPEN, file, O_RDWR);
  for (u32 i = 2; i < COUNT(kFar); ++i)
    expect(i >= 3 ? EINVAL : kAnyErrno, write_at(file, handle, kFar[i]), "WRITE far out", i);
  static const u32 kSizes[] = {0, 3, 5, 4096, ~0u};
  for (u32 i = 0; i < COUNT(kSizes); ++i) {
    begin(FUSE_WRITE, file);
    PUT((struct fuse_write_in){.fh = handle, .size = kSizes[i]});
    put("evil", 4);
    expect(EINVAL, send(), "WRITE of a size that is not true", kSizes[i]);
  }
  expect(EFBIG, set_attributes(file, (struct fuse_setattr_in){.valid = FATTR_SIZE, .size = ~0ul}), "SETATTR", 0);
  struct fuse_setattr_in in = {.valid = FATTR_ATIME, .atimensec = (1 << 30) - 1};  // UTIME_NOW.
  expect(EINVAL, set_attributes(file, in), "SETATTR of nanoseconds", 0);
  expect(EINVAL, ASK(FUSE_FALLOCATE, file, (struct fuse_fallocate_in){.fh = handle, .offset = 1, .length = ~0ul}),
         "FALLOCATE", 0);
  expect(0, release_as(FUSE_RELEASE, file, handle), "RELEASE", 0);
  open_as(FUSE_OPEN, file, O_RDONLY);
}

// Whatever would change something, on the share that must not change.
static void read_only(void) {
  u64 file = find("file"), handle = opened(FUSE_OPEN, file, O_RDONLY), directory = find("dir");
  for (u32 i = 1; i < COUNT(kNamed); ++i) {
    static const char* kNames[] = {"file", "dir", "new", "host-link"};
    for (u32 name = 0; name < COUNT(kNames); ++name) {
      begin_named(kNamed[i], name < 3 ? 1 : directory);
      text(kNames[name]);
      end_named(kNamed[i]);
      expect(EROFS, send(), kNames[name], kNamed[i]);
    }
  }
  begin(FUSE_TMPFILE, 1);
  PUT((struct fuse_create_in){.flags = O_RDWR, .mode = 0600});
  text("/");
  expect(EROFS, send(), "TMPFILE", 0);
  static const u32 kFlags[] = {O_WRONLY, O_RDWR, O_ACCMODE, O_RDONLY | O_TRUNC, O_RDWR | O_CREAT | O_APPEND};
  for (u32 i = 0; i < COUNT(kFlags); ++i) expect(EROFS, open_as(FUSE_OPEN, file, kFlags[i]), "OPEN", kFlags[i]);
  expect(EROFS, write_at(file, handle, 0), "WRITE", 0);
  for (u32 bit = 0; bit < 12; ++bit) {
    struct fuse_setattr_in in = {.valid = 1u << bit, .fh = handle, .mode = 0777};
    expect(EROFS, set_attributes(file, in), "SETATTR", bit);
  }
  expect(EROFS, ASK(FUSE_FALLOCATE, file, (struct fuse_fallocate_in){.fh = handle, .length = 9999}), "FALLOCATE", 0);
  expect(EROFS,
         ASK(FUSE_COPY_FILE_RANGE, file,
             (struct fuse_copy_file_range_in){
                 .fh_in = handle, .nodeid_out = file, .fh_out = handle, .off_out = 4, .len = 4}),
         "COPY_FILE_RANGE", 0);
  begin(FUSE_SETXATTR, file);
  PUT((u32[4]){1, 0, 0, 0});
  text("user.evil");
  fill('x', 1);
  expect(EROFS, send(), "SETXATTR", 0);
  begin(FUSE_REMOVEXATTR, file);
  text("user.kept");
  expect(EROFS, send(), "REMOVEXATTR", 0);
  begin(FUSE_IOCTL, file);
  PUT((struct fuse_ioctl_in){.fh = handle, .cmd = 0x40086602, .in_size = 8});  // FS_IOC_SETFLAGS.
  fill(0xff, 8);
  expect(EOPNOTSUPP, send(), "chattr", 0);
}

static void random_request(void) {
  u32 opcode = below(16) ? 1 + below(FUSE_TMPFILE + 1) : (u32)pick();
  if (opcode == FUSE_DESTROY && below(8)) opcode = FUSE_LOOKUP;
  begin(opcode, below(8) ? 1 + below(12) : pick());
  for (u32 words = below(12); words; --words) {
    u64 word = below(3) == 0 ? 0 : below(2) ? below(16) : pick() >> below(64);
    put(&word, below(4) ? 8 : below(9));
  }
  static const char* kNames[] = {"a", "b", "file", "dir", "user.x", "../outside", "link0", "fifo", "host-link"};
  for (u32 texts = below(3); texts; --texts) text(kNames[below(COUNT(kNames))]);
  struct fuse_in_header* head = (struct fuse_in_header*)request();
  head->uid = below(4) ? 0 : (u32)pick();
  head->len = below(16) ? request_size : (u32)pick();
  u32 queue = below(8) ? kRequests : kFirst;
  u32 room = below(8) ? kRoom : below(300);
  if (exchange(queue, request_size, room) == kFault) must(0, "a fault");
}

static void storm(void) {
  for (u32 i = 0; i < ROUNDS; ++i) {
    to = &shares[below(4) == 0];
    if (i % 256 < 2) {
      to = &shares[i % 2];
      expect(0, hello(7, 38), "INIT", i);
      find("file");
      find("dir");
      opened(FUSE_OPEN, find("file"), O_RDWR);
      opened(FUSE_OPENDIR, 1, O_RDONLY);
    }
    random_request();
  }
}

static void fault(struct descriptor first, struct descriptor second, const char* what) {
  to = &shares[0];
  to->queues[kRequests].table[0] = first;
  to->queues[kRequests].table[1] = second;
  expect(kFault, offer(kRequests), what, 0);
  to = &shares[1];
  expect(0, look(1, "file"), "the other device's files", 0);
  to = &shares[0];
  start_device();
  expect(0, hello(7, 38), "after a reset", 0);
  expect(0, get_attributes(1), "the root after a reset", 0);
}

// A ring that breaks the rules faults its device, which is as new after a reset. The other goes on.
static void faults(void) {
  const u64 in = kPlayground + kRequestAt, out = kPlayground + kReplyAt;
  to = &shares[1];
  expect(0, hello(7, 38), "the other device", 0);
  fault((struct descriptor){out, 100, kWrite | kNext, 1}, (struct descriptor){in, kHead, 0, 0}, "a reply first");
  fault((struct descriptor){in, kHead, kNext, 1}, (struct descriptor){in, kHead, kNext, 0}, "a loop");
  fault((struct descriptor){in, kHead, kNext, 0}, (struct descriptor){0}, "a chain of itself");
  fault((struct descriptor){in, kHead, kNext, kQueueSize}, (struct descriptor){0}, "no such descriptor");
  fault((struct descriptor){in, kHead, kNext, 1}, (struct descriptor){~0ul - 8, 16, kWrite, 0},
        "the last bytes of all");
  fault((struct descriptor){in, kHead, kNext, 1}, (struct descriptor){kMmio, 4096, kWrite, 0}, "registers as memory");
}

static void run_part(const char* name, void (*function)(void)) {
  part = name;
  good = 0;
  u32 before = wrong;
  function();
  say(name);
  say(": ");
  say_number(good);
  say(" as expected, ");
  say_number(wrong - before);
  say(" not\n");
}

void run(void) {
  secret = SECRET;
  if (!find_shares()) {
    say("WRONG there are no two shares\n");
    restart();
  }
  for (to = shares; to < shares + 2; ++to) {
    start_device();
    run_part("sessions", sessions);
    if (to == &shares[0]) run_part("names", names);
    if (to == &shares[0]) run_part("nodes", nodes);
    run_part("forgets", forgets);
    if (to == &shares[0]) run_part("lengths", lengths);
    if (to == &shares[0]) run_part("handles", handles);
    run_part("links", links);
    run_part("sizes", sizes);
    if (to == &shares[1]) run_part("read-only", read_only);
  }
  run_part("storm", storm);
  run_part("faults", faults);
  say("verdict: ");
  say_number(wrong);
  say(" wrong, ");
  say_number(leaks);
  say(" leaks\n");
  restart();
}

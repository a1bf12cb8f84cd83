// truncate(2), ftruncate(2).
#include "checks.h"

namespace cloche::posix {
namespace {

void sizes(Checks& check) {
  put("file", "0123456789");
  for (off_t size : {5L, 10L, 0L, 4096L, 4097L, 1L << 20, (5L << 30) + 3, 3L}) {
    Moment before("file");
    off_t old = status("file").st_size;
    check.ok("truncate", err(::truncate("file", size)));
    check.equal("size", status("file").st_size, size);
    check.text("times", before.changed(), "mtime ctime");
    // Room that was cut off and comes back is zero.
    File file("file", O_RDONLY);
    char byte = 'x';
    if (size > old) check.equal("read", ::pread(file.fd(), &byte, 1, size - 1), 1);
    if (size > old) check.equal("zero", byte, 0);
  }
  put("file", "0123456789");
  ::truncate("file", 3);
  ::truncate("file", 6);
  check.yes("zeros where data was", contents("file") == std::string("012\0\0\0", 6));
  File file("file", O_RDWR);
  check.ok("ftruncate", err(::ftruncate(file.fd(), 2)));
  check.text("contents", contents("file"), "01");
}

void same_size(Checks& check) {
  put("file", "data");
  Moment before("file");
  check.ok("ftruncate", err(::ftruncate(File("file", O_RDWR).fd(), 4)));
  check.text("times", before.changed(), "mtime ctime");
  Moment again("file");
  check.ok("truncate", err(::truncate("file", 4)));
  check.text("times", again.changed(), "mtime ctime");
}

void errors(Checks& check) {
  put("file", "data");
  ::mkdir("dir", 0755);
  make(Type::kFifo, "fifo");
  ::symlink("loop", "loop");
  check.is("directory", err(::truncate("dir", 0)), EISDIR);
  check.is("fifo", err(::truncate("fifo", 0)), EINVAL);
  check.is("missing", err(::truncate("none", 0)), ENOENT);
  check.is("below a file", err(::truncate("file/x", 0)), ENOTDIR);
  check.is("loop", err(::truncate("loop", 0)), ELOOP);
  check.is("256 bytes", err(::truncate(long_name(256).c_str(), 0)), ENAMETOOLONG);
  check.is("negative", err(::truncate("file", -1)), EINVAL);
  check.is("ftruncate of a reader", err(::ftruncate(File("file", O_RDONLY).fd(), 0)), EINVAL);
  check.text("unchanged", contents("file"), "data");
}

void permissions(Checks& check) {
  put("file", "data");
  as({.uid = kUser}, [&] { check.is("another's", err(::truncate("file", 0)), EACCES); });
  ::chmod("file", 0622);
  as({.uid = kUser}, [&] { check.ok("one that all may write", err(::truncate("file", 2))); });
  check.text("contents", contents("file"), "da");
  // What was opened for writing stays so.
  File file("file", O_WRONLY);
  ::chmod("file", 0);
  as({.uid = kUser}, [&] {
    check.ok("by a descriptor", err(::ftruncate(file.fd(), 1)));
    check.is("by name", err(::truncate("file", 0)), EACCES);
  });
}

// A change by who is not root takes the set-id bits.
void set_id_bits(Checks& check) {
  for (unsigned mode : {06777u, 04777u, 02777u, 0777u}) {
    unsigned expected = mode & ~04000u;
    if (mode & 010) expected &= ~02000u;
    auto act = [&](const char* what, const std::function<void()>& change) {
      put("file", "data");
      ::chmod("file", mode);
      as({.uid = kUser}, change);
      check.text(std::string(what) + " " + octal(mode), octal(mode_of("file")), octal(expected));
      ::unlink("file");
    };
    act("truncate", [] { ::truncate("file", 1); });
    act("ftruncate", [] { ::ftruncate(File("file", O_RDWR).fd(), 1); });
    act("write", [] { ::pwrite(File("file", O_WRONLY).fd(), "x", 1, 0); });
    act("O_TRUNC", [] { File("file", O_WRONLY | O_TRUNC); });
    put("file", "data");
    ::chmod("file", mode);
    ::pwrite(File("file", O_WRONLY).fd(), "x", 1, 0);
    check.text("root writes " + octal(mode), octal(mode_of("file")), octal(mode));
    ::unlink("file");
  }
}

}  // namespace

std::vector<Case> truncate_cases() {
  return {{"truncate_sizes", Needs::kNothing, sizes},
          {"truncate_same_size", Needs::kNothing, same_size},
          {"truncate_errors", Needs::kNothing, errors},
          {"truncate_permissions", Needs::kRoot, permissions},
          {"truncate_set_id_bits", Needs::kRoot, set_id_bits}};
}

}  // namespace cloche::posix

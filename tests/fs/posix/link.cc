// link(2), unlink(2), rmdir(2).
#include "checks.h"

namespace cloche::posix {
namespace {

void counts(Checks& check) {
  for (Type type : check.types()) {
    if (type == Type::kDirectory) continue;
    std::string what = name_of(type);
    make(type, "a");
    check.equal(what + " alone", status("a").st_nlink, 1);
    Moment file("a"), directory(".");
    check.ok(what + " link", err(::link("a", "b")));
    check.text(what + " file", file.changed(true), "ctime");
    check.text(what + " directory", directory.changed(), "mtime ctime");
    check.equal(what + " two", status("a").st_nlink, 2);
    check.equal(what + " two", status("b").st_nlink, 2);
    check.yes(what + " one file", status("a").st_ino == status("b").st_ino);
    if (type != Type::kSymlink) {
      ::chmod("b", 0600);
      check.text(what + " mode", octal(mode_of("a")), "0600");
    }
    ::lchown("b", -1u, -1u);
    check.ok(what + " third", err(::link("b", "c")));
    check.equal(what + " three", status("a").st_nlink, 3);
    Moment before("b"), above(".");
    check.ok(what + " unlink", err(::unlink("a")));
    check.text(what + " file", before.changed(true), "ctime");
    check.text(what + " directory", above.changed(), "mtime ctime");
    check.equal(what + " two again", status("b").st_nlink, 2);
    check.ok(what + " unlink", err(::unlink("b")));
    check.equal(what + " one", status("c").st_nlink, 1);
    check.ok(what + " unlink", err(::unlink("c")));
    check.is(what + " gone", err(::unlink("c")), ENOENT);
  }
}

void link_errors(Checks& check) {
  put("file", "");
  ::mkdir("dir", 0755);
  ::symlink("loop", "loop");
  ::symlink("none", "dangling");
  check.is("missing", err(::link("none", "n")), ENOENT);
  check.is("into a missing directory", err(::link("file", "none/n")), ENOENT);
  check.is("directory", err(::link("dir", "n")), EPERM);
  check.is("below a file", err(::link("file", "file/n")), ENOTDIR);
  check.is("from below a file", err(::link("file/x", "n")), ENOTDIR);
  check.is("loop", err(::link("loop/x", "n")), ELOOP);
  check.is("256 bytes", err(::link("file", long_name(256).c_str())), ENAMETOOLONG);
  check.is("from 256 bytes", err(::link(long_name(256).c_str(), "n")), ENAMETOOLONG);
  check.ok("dangling link itself", err(::link("dangling", "d2")));
  check.is("following it", err(::linkat(AT_FDCWD, "dangling", AT_FDCWD, "d3", AT_SYMLINK_FOLLOW)), ENOENT);
  check.ok("following a link", err(::symlink("file", "link")));
  check.ok("to its file", err(::linkat(AT_FDCWD, "link", AT_FDCWD, "f2", AT_SYMLINK_FOLLOW)));
  check.equal("which has two names", status("file").st_nlink, 2);
  for (Type type : check.types()) {
    make(type, "n");
    Moment directory("."), file("file");
    check.is(name_of(type), err(::link("file", "n")), EEXIST);
    check.text("directory", directory.changed(), "none");
    check.text("file", file.changed(true), "none");
    remove_any("n");
  }
}

void link_permissions(Checks& check) {
  ::mkdir("open", 0777);
  ::chmod("open", 0777);
  ::mkdir("closed", 0755);
  as({.uid = kUser}, [&] { put("open/mine", ""); });
  as({.uid = kUser}, [&] {
    check.ok("own", err(::link("open/mine", "open/again")));
    check.is("into a closed directory", err(::link("open/mine", "closed/n")), EACCES);
  });
  ::chmod("open", 0666);
  as({.uid = kUser}, [&] { check.is("unsearchable", err(::link("open/mine", "open/n")), EACCES); });
}

void unlink_errors(Checks& check) {
  put("file", "");
  ::mkdir("dir", 0755);
  put("dir/file", "");
  ::symlink("loop", "loop");
  check.is("missing", err(::unlink("none")), ENOENT);
  check.is("directory", err(::unlink("dir")), EISDIR);
  check.is("below a file", err(::unlink("file/x")), ENOTDIR);
  check.is("file with a slash", err(::unlink("file/")), ENOTDIR);
  check.is("loop", err(::unlink("loop/x")), ELOOP);
  check.is("256 bytes", err(::unlink(long_name(256).c_str())), ENAMETOOLONG);
  check.is("rmdir of a file", err(::rmdir("file")), ENOTDIR);
  check.is("rmdir missing", err(::rmdir("none")), ENOENT);
  check.is("rmdir not empty", err(::rmdir("dir")), ENOTEMPTY);
  check.is("rmdir dot", err(::rmdir("dir/.")), EINVAL);
  check.is("rmdir dot dot", err(::rmdir("dir/..")), ENOTEMPTY);
  check.is("rmdir of a link", err(::rmdir("loop")), ENOTDIR);
  check.is("rmdir 256 bytes", err(::rmdir(long_name(256).c_str())), ENAMETOOLONG);
  check.is("rmdir of the root", err(::rmdir("/")), EBUSY);
  check.is("unlinkat with a bad flag", err(::unlinkat(AT_FDCWD, "file", 0x4000)), EINVAL);
  Moment above(".");
  ::unlink("dir/file");
  check.ok("rmdir", err(::rmdir("dir")));
  check.text("directory above", above.changed(), "mtime ctime");
}

void unlink_permissions(Checks& check) {
  for (Type type : check.types()) {
    std::string what = name_of(type);
    ::mkdir("dir", 0755);
    make(type, "dir/n");
    Moment before("dir");
    as({.uid = kUser}, [&] { check.is(what + " unwritable", remove_any("dir/n"), EACCES); });
    check.text(what + " directory", before.changed(), "none");
    ::chmod("dir", 0666);
    as({.uid = kUser}, [&] { check.is(what + " unsearchable", remove_any("dir/n"), EACCES); });
    ::chmod("dir", 0777);
    as({.uid = kUser}, [&] { check.ok(what + " another's in an open directory", remove_any("dir/n")); });
    ::rmdir("dir");
  }
}

void open_and_gone(Checks& check) {
  put("file", "before");
  File file("file", O_RDWR);
  check.ok("unlink", err(::unlink("file")));
  struct stat now{};
  check.ok("fstat", err(::fstat(file.fd(), &now)));
  check.equal("links", now.st_nlink, 0);
  check.equal("size", now.st_size, 6);
  char data[16]{};
  check.equal("read", ::pread(file.fd(), data, sizeof data, 0), 6);
  check.text("what was there", data, "before");
  check.equal("write", ::pwrite(file.fd(), "after!!", 7, 6), 7);
  check.ok("truncate", err(::ftruncate(file.fd(), 9)));
  check.ok("fchmod", err(::fchmod(file.fd(), 0600)));
  check.ok("fsync", err(::fsync(file.fd())));
  check.ok("fstat", err(::fstat(file.fd(), &now)));
  check.equal("new size", now.st_size, 9);
  put("file", "another");
  check.equal("read", ::pread(file.fd(), data, sizeof data, 0), 9);
  check.text("the old one still", std::string(data, 9), "beforeaft");
  ::mkdir("dir", 0755);
  File directory("dir", O_RDONLY | O_DIRECTORY);
  check.ok("rmdir", err(::rmdir("dir")));
  check.is("create in a removed directory", err(::openat(directory.fd(), "x", O_CREAT | O_WRONLY, 0600)), ENOENT);
  check.is("mkdir in it", err(::mkdirat(directory.fd(), "x", 0700)), ENOENT);
}

void replaced_and_open(Checks& check) {
  put("old", "old");
  put("new", "new");
  File file("old", O_RDONLY);
  check.ok("rename over it", err(::rename("new", "old")));
  char data[8]{};
  check.equal("read", ::pread(file.fd(), data, sizeof data, 0), 3);
  check.text("the old one", data, "old");
  check.text("the new one by name", contents("old"), "new");
}

}  // namespace

std::vector<Case> link_cases() {
  return {{"link_counts", Needs::kNothing, counts},
          {"link_errors", Needs::kNothing, link_errors},
          {"link_permissions", Needs::kRoot, link_permissions},
          {"unlink_errors", Needs::kNothing, unlink_errors},
          {"unlink_permissions", Needs::kRoot, unlink_permissions},
          {"unlink_open_and_gone", Needs::kNothing, open_and_gone},
          {"unlink_replaced_and_open", Needs::kNothing, replaced_and_open}};
}

}  // namespace cloche::posix

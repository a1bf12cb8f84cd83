// rename(2), renameat2(2).
#include "checks.h"

#include <sys/syscall.h>

namespace cloche::posix {
namespace {

int rename2(const char* from, const char* to, unsigned flags) {
  return err(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags));
}

void moves(Checks& check) {
  ::mkdir("dir", 0755);
  for (Type type : check.types()) {
    std::string what = name_of(type);
    make(type, "a");
    ino_t number = status("a").st_ino;
    Moment file("a"), from("."), to("dir");
    check.ok(what, err(::rename("a", "dir/b")));
    check.is(what + " is gone", err(::access("a", F_OK)), ENOENT);
    check.yes(what + " is the same", status("dir/b").st_ino == number);
    check.text(what + " from", from.changed(), "mtime ctime");
    check.text(what + " to", to.changed(), "mtime ctime");
    check.equal(what + " links", status("dir/b").st_nlink, type == Type::kDirectory ? 2 : 1);
    check.equal(what + " links of the parent", status("dir").st_nlink, type == Type::kDirectory ? 3 : 2);
    remove_any("dir/b");
  }
}

// What each type does to each other one in its place.
void replaces(Checks& check) {
  for (Type from : check.types()) {
    for (Type to : check.types()) {
      std::string what = std::string(name_of(from)) + " over " + name_of(to);
      make(from, "from");
      make(to, "to");
      ino_t number = status("from").st_ino;
      bool from_dir = from == Type::kDirectory, to_dir = to == Type::kDirectory;
      int expected = from_dir && !to_dir ? ENOTDIR : !from_dir && to_dir ? EISDIR : 0;
      Moment above(".");
      check.is(what, err(::rename("from", "to")), expected);
      check.text(what + " directory", above.changed(), expected == 0 ? "mtime ctime" : "none");
      check.yes(what + " result", (status("to").st_ino == number) == (expected == 0));
      remove_any("from");
      remove_any("to");
    }
  }
}

void links_of_a_replaced_file(Checks& check) {
  put("a", "a");
  put("b", "b");
  ::link("b", "c");
  Moment other("c");
  check.ok("rename", err(::rename("a", "b")));
  check.equal("links of the other name", status("c").st_nlink, 1);
  check.text("its times", other.changed(), "ctime");
  check.text("contents", contents("b") + contents("c"), "ab");
  ::link("b", "d");
  check.ok("to a name of itself", err(::rename("b", "d")));
  check.equal("nothing happens", status("b").st_nlink, 2);
  check.ok("to itself", err(::rename("b", "b")));
}

void directories(Checks& check) {
  ::mkdir("a", 0755);
  ::mkdir("a/sub", 0755);
  ::mkdir("b", 0755);
  ::mkdir("full", 0755);
  put("full/x", "");
  check.is("into itself", err(::rename("a", "a/sub/x")), EINVAL);
  check.is("to its own child", err(::rename("a", "a/sub")), EINVAL);
  check.is("over its parent", err(::rename("a/sub", "a")), ENOTEMPTY);
  check.is("over one that is not empty", err(::rename("b", "full")), ENOTEMPTY);
  ino_t b = status("b").st_ino;
  check.ok("to another parent", err(::rename("a/sub", "b/sub")));
  check.yes("dot dot follows", status("b/sub/..").st_ino == b);
  check.equal("links of the old parent", status("a").st_nlink, 2);
  check.equal("links of the new one", status("b").st_nlink, 3);
  check.ok("over an empty one", err(::rename("b/sub", "a")));
  check.equal("links of the parent", status("b").st_nlink, 2);
  check.is("dot", err(::rename("a/.", "z")), EBUSY);
  check.is("dot dot", err(::rename("a/..", "z")), EBUSY);
  check.is("to dot", err(::rename("a", "b/.")), EBUSY);
  check.ok("with a slash", err(::rename("a/", "z/")));
}

void errors(Checks& check) {
  put("file", "");
  ::mkdir("dir", 0755);
  ::symlink("loop", "loop");
  check.is("missing", err(::rename("none", "n")), ENOENT);
  check.is("into a missing directory", err(::rename("file", "none/n")), ENOENT);
  check.is("empty", err(::rename("file", "")), ENOENT);
  check.is("below a file", err(::rename("file", "file/n")), ENOTDIR);
  check.is("from below a file", err(::rename("file/x", "n")), ENOTDIR);
  check.is("file with a slash", err(::rename("file", "n/")), ENOTDIR);
  check.is("loop", err(::rename("loop/x", "n")), ELOOP);
  check.is("256 bytes", err(::rename("file", long_name(256).c_str())), ENAMETOOLONG);
  check.is("from 256 bytes", err(::rename(long_name(256).c_str(), "n")), ENAMETOOLONG);
  check.ok("255 bytes", err(::rename("file", long_name(255).c_str())));
  check.ok("and back", err(::rename(long_name(255).c_str(), "file")));
  check.ok("a link itself", err(::rename("loop", "loop2")));
  check.is("bad flag", rename2("file", "n", 0x80), EINVAL);
  check.is("both flags", rename2("file", "n", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL);
}

void permissions(Checks& check) {
  ::mkdir("open", 0777);
  ::chmod("open", 0777);
  ::mkdir("closed", 0755);
  put("open/n", "");
  put("closed/n", "");
  as({.uid = kUser}, [&] {
    check.is("from a closed directory", err(::rename("closed/n", "open/m")), EACCES);
    check.is("into a closed directory", err(::rename("open/n", "closed/m")), EACCES);
    check.is("over one there", err(::rename("open/n", "closed/n")), EACCES);
    check.ok("another's file in an open directory", err(::rename("open/n", "open/m")));
  });
  ::unlink("closed/n");
  // Who is refused changes nothing, not even a time.
  for (Type type : check.types()) {
    make(type, "closed/n");
    Moment file("closed/n"), directory("closed");
    as({.uid = kUser}, [&] { check.is(name_of(type), err(::rename("closed/n", "closed/m")), EACCES); });
    check.text("file and directory", file.changed(true) + ", " + directory.changed(), "none, none");
    remove_any("closed/n");
  }
  // Moving a directory changes its "..", which takes the right to write to it.
  ::mkdir("open/dir", 0755);
  ::mkdir("wide", 0777);
  ::chmod("wide", 0777);
  as({.uid = kUser}, [&] {
    check.is("another's directory elsewhere", err(::rename("open/dir", "wide/dir")), EACCES);
    check.ok("another's directory in place", err(::rename("open/dir", "open/dir2")));
  });
}

void no_replace(Checks& check) {
  put("a", "a");
  put("b", "b");
  check.is("there", rename2("a", "b", RENAME_NOREPLACE), EEXIST);
  check.is("itself", rename2("a", "a", RENAME_NOREPLACE), EEXIST);
  check.ok("not there", rename2("a", "c", RENAME_NOREPLACE));
  check.text("contents", contents("b") + contents("c"), "ba");
}

void exchange(Checks& check) {
  for (Type from : check.types()) {
    for (Type to : check.types()) {
      std::string what = std::string(name_of(from)) + " with " + name_of(to);
      ::mkdir("dir", 0755);
      make(from, "from");
      make(to, "dir/to");
      ino_t first = status("from").st_ino, second = status("dir/to").st_ino;
      check.ok(what, rename2("from", "dir/to", RENAME_EXCHANGE));
      check.yes(what + " both", status("from").st_ino == second && status("dir/to").st_ino == first);
      check.equal(what + " links of the directory", status("dir").st_nlink, from == Type::kDirectory ? 3 : 2);
      remove_any("from");
      remove_any("dir/to");
      ::rmdir("dir");
    }
  }
  put("a", "");
  check.is("with nothing", rename2("a", "none", RENAME_EXCHANGE), ENOENT);
}

void whiteout(Checks& check) {
  put("a", "a");
  check.ok("rename", rename2("a", "b", RENAME_WHITEOUT));
  check.text("a is a whiteout", octal(status("a").st_mode & S_IFMT), octal(S_IFCHR));
  check.equal("device 0:0", static_cast<long>(status("a").st_rdev), 0);
  check.text("contents", contents("b"), "a");
  check.ok("unlink", err(::unlink("a")));
}

}  // namespace

std::vector<Case> rename_cases() {
  return {{"rename_moves", Needs::kNothing, moves},
          {"rename_replaces", Needs::kNothing, replaces},
          {"rename_links", Needs::kNothing, links_of_a_replaced_file},
          {"rename_directories", Needs::kNothing, directories},
          {"rename_errors", Needs::kNothing, errors},
          {"rename_permissions", Needs::kRoot, permissions},
          {"rename_no_replace", Needs::kNothing, no_replace},
          {"rename_exchange", Needs::kNothing, exchange},
          {"rename_whiteout", Needs::kWhiteout, whiteout}};
}

}  // namespace cloche::posix

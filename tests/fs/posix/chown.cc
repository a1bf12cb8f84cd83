// chown(2), lchown(2), fchown(2): whose a file is, and the set-id bits that go.
#include "checks.h"

namespace cloche::posix {
namespace {

void by_root(Checks& check) {
  for (Type type : check.types()) {
    std::string what = name_of(type);
    make(type, "n");
    Moment before("n");
    check.ok(what + " lchown", err(::lchown("n", 123, 456)));
    check.text(what + " owner", owner_of("n"), "123:456");
    check.text(what + " times", before.changed(), "ctime");
    check.ok(what + " user alone", err(::lchown("n", 7, -1u)));
    check.text(what + " owner", owner_of("n"), "7:456");
    check.ok(what + " group alone", err(::lchown("n", -1u, 8)));
    check.text(what + " owner", owner_of("n"), "7:8");
    check.ok(what + " large ids", err(::lchown("n", 4'000'000'000u, 3'999'999'999u)));
    check.text(what + " owner", owner_of("n"), "4000000000:3999999999");
    remove_any("n");
  }
  put("file", "");
  ::symlink("file", "link");
  check.ok("chown of a link", err(::chown("link", 5, 6)));
  check.text("its target", owner_of("file"), "5:6");
  check.text("itself", owner_of("link"), "0:0");
}

void by_owner(Checks& check) {
  for (Type type : check.types()) {
    std::string what = name_of(type);
    make(type, "n");
    ::lchown("n", kUser, kUser);
    Identity owner{.uid = kUser, .gid = kUser, .groups = {kOther}};
    as(owner, [&] {
      check.ok(what + " to a group of his", err(::lchown("n", kUser, kOther)));
      check.ok(what + " the user unchanged", err(::lchown("n", -1u, kUser)));
      check.is(what + " to a foreign group", err(::lchown("n", -1u, 5)), EPERM);
      check.is(what + " to another user", err(::lchown("n", kOther, -1u)), EPERM);
      check.ok(what + " nothing", err(::lchown("n", -1u, -1u)));
    });
    Moment before("n");
    as({.uid = kOther, .gid = kOther}, [&] {
      check.is(what + " by another", err(::lchown("n", kOther, kOther)), EPERM);
      check.is(what + " the group by another", err(::lchown("n", -1u, kOther)), EPERM);
    });
    check.text(what + " owner", owner_of("n") + " " + before.changed(true), "65534:65534 none");
    remove_any("n");
  }
}

// Linux clears them for root as well, but for directories.
void set_id_bits(Checks& check) {
  for (bool root : {true, false}) {
    std::string who = root ? "root " : "owner ";
    for (unsigned mode : {06755u, 04755u, 02755u, 06777u, 02745u, 0755u}) {
      put("file", "");
      ::chown("file", kUser, kUser);
      ::chmod("file", mode);
      auto act = [&] { check.ok(who + octal(mode), err(::chown("file", -1u, kOther))); };
      root ? act() : as({.uid = kUser, .gid = kUser, .groups = {kOther}}, act);
      // Without execute permission for the group the bit meant mandatory locking, and stays for members and root.
      unsigned expected = mode & ~04000u;
      if (mode & 010) expected &= ~02000u;
      check.text(who + octal(mode) + " after", octal(mode_of("file")), octal(expected));
      ::unlink("file");
    }
    ::mkdir("dir", 0755);
    ::chown("dir", kUser, kUser);
    ::chmod("dir", 06755);
    auto act = [&] { check.ok(who + "dir", err(::chown("dir", -1u, kOther))); };
    root ? act() : as({.uid = kUser, .gid = kUser, .groups = {kOther}}, act);
    check.text(who + "dir after", octal(mode_of("dir")), "06755");
    ::rmdir("dir");
  }
}

// The same of every kind of file, by name and by a link's; a change of nothing is none.
void set_id_bits_of_kinds(Checks& check) {
  for (Type type : check.types()) {
    if (type == Type::kSymlink) continue;
    std::string after = type == Type::kDirectory ? "06555" : "0555";
    make(type, "n");
    ::chown("n", kUser, kUser);
    ::symlink("n", "link");
    for (const char* path : {"n", "link"}) {
      std::string what = std::string(name_of(type)) + " as " + path;
      for (gid_t group : {kOther, kUser}) {
        ::chmod("n", 06555);
        Moment before("n");
        as({.uid = kUser, .gid = kUser, .groups = {kOther}},
           [&] { check.ok(what + " by its owner", err(::chown(path, kUser, group))); });
        check.text(what + " mode", octal(mode_of("n")), after);
        check.text(what + " owner", owner_of("n"), "65534:" + std::to_string(group));
        check.text(what + " times", before.changed(true), "ctime");
      }
      ::chmod("n", 06555);
      check.ok(what + " by root", err(::chown(path, kUser, kUser)));
      check.text(what + " mode", octal(mode_of("n")), after);
    }
    check.text("the link's owner", owner_of("link"), "0:0");
    ::unlink("link");
    remove_any("n");
  }
}

void errors(Checks& check) {
  put("file", "");
  ::symlink("loop", "loop");
  ::symlink("target", "dangling");
  check.is("missing", err(::chown("none", -1u, -1u)), ENOENT);
  check.is("dangling", err(::chown("dangling", -1u, -1u)), ENOENT);
  check.ok("dangling itself", err(::lchown("dangling", -1u, -1u)));
  check.is("below a file", err(::chown("file/x", -1u, -1u)), ENOTDIR);
  check.is("loop", err(::chown("loop", -1u, -1u)), ELOOP);
  check.is("256 bytes", err(::chown(long_name(256).c_str(), -1u, -1u)), ENAMETOOLONG);
  File file("file", O_RDONLY);
  check.ok("fchown", err(::fchown(file.fd(), -1u, -1u)));
  File path("file", O_PATH);
  check.is("fchown of O_PATH", err(::fchown(path.fd(), -1u, -1u)), EBADF);
  check.ok("fchownat of O_PATH", err(::fchownat(path.fd(), "", -1u, -1u, AT_EMPTY_PATH)));
}

void search_permission(Checks& check) {
  ::mkdir("closed", 0700);
  put("closed/file", "");
  ::chown("closed/file", kUser, kUser);
  as({.uid = kUser}, [&] { check.is("unsearchable", err(::chown("closed/file", -1u, kUser)), EACCES); });
}

}  // namespace

std::vector<Case> chown_cases() {
  return {{"chown_by_root", Needs::kRoot, by_root},
          {"chown_by_owner", Needs::kRoot, by_owner},
          {"chown_set_id_bits", Needs::kRoot, set_id_bits},
          {"chown_set_id_bits_of_kinds", Needs::kRoot, set_id_bits_of_kinds},
          {"chown_errors", Needs::kNothing, errors},
          {"chown_search_permission", Needs::kRoot, search_permission}};
}

}  // namespace cloche::posix

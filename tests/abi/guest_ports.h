/* How a program of the guest finds what libkrun.h calls a console's port. */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Opens the port of this name; -1 where there is none. */
static int open_port(const char* name, int flags) {
  struct dirent* entry;
  int found = -1;
  DIR* ports = opendir("/sys/class/virtio-ports");
  while (ports && found < 0 && (entry = readdir(ports)) != NULL) {
    char path[512], text[128];
    int file;
    ssize_t size;
    snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
    if ((file = open(path, O_RDONLY)) < 0) continue;
    size = read(file, text, sizeof text - 1);
    close(file);
    text[size > 0 ? size : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (strcmp(text, name) != 0) continue;
    snprintf(path, sizeof path, "/dev/%s", entry->d_name);
    found = open(path, flags);
  }
  if (ports) closedir(ports);
  return found;
}

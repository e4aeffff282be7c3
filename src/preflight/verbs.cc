#include "preflight/verbs.h"

#include <dlfcn.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace hadal {
namespace {

constexpr int kLocalWrite = 1;  // IBV_ACCESS_LOCAL_WRITE

struct Symbols {
  void** (*get_device_list)(int*);
  void (*free_device_list)(void**);
  const char* (*get_device_name)(void*);
  void* (*open_device)(void*);
  int (*close_device)(void*);
  void* (*alloc_pd)(void*);
  int (*dealloc_pd)(void*);
  void* (*reg_mr)(void*, void*, size_t, int);
  int (*dereg_mr)(void*);
};

template <typename T>
bool find(void* library, const char* name, T& out) {
  out = reinterpret_cast<T>(::dlsym(library, name));
  return out != nullptr;
}

bool find_all(void* library, Symbols& s) {
  return find(library, "ibv_get_device_list", s.get_device_list) &&
         find(library, "ibv_free_device_list", s.free_device_list) &&
         find(library, "ibv_get_device_name", s.get_device_name) &&
         find(library, "ibv_open_device", s.open_device) &&
         find(library, "ibv_close_device", s.close_device) && find(library, "ibv_alloc_pd", s.alloc_pd) &&
         find(library, "ibv_dealloc_pd", s.dealloc_pd) && find(library, "ibv_reg_mr", s.reg_mr) &&
         find(library, "ibv_dereg_mr", s.dereg_mr);
}

void try_to_register(const Symbols& verbs, void* context, uint64_t bytes, VerbsAnswer& out) {
  void* domain = verbs.alloc_pd(context);
  if (domain == nullptr) {
    out.register_problem = std::string("ibv_alloc_pd: ") + std::strerror(errno);
    return;
  }
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    out.register_problem = "no memory for the trial";
  } else {
    void* region = verbs.reg_mr(domain, memory, bytes, kLocalWrite);
    if (region == nullptr) {
      out.register_problem = std::string("ibv_reg_mr: ") + std::strerror(errno);
    } else {
      out.registered = bytes;
      verbs.dereg_mr(region);
    }
    ::munmap(memory, bytes);
  }
  verbs.dealloc_pd(domain);
}

}  // namespace

VerbsAnswer ask_verbs(const std::string& library, uint64_t bytes) {
  VerbsAnswer out;
  void* handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return out.problem = library + " is not installed here", out;
  Symbols verbs{};
  if (!find_all(handle, verbs)) {
    ::dlclose(handle);
    return out.problem = library + " lacks functions of libibverbs", out;
  }
  out.library = true;
  int count = 0;
  void** list = verbs.get_device_list(&count);
  if (list == nullptr) return out.problem = std::string("ibv_get_device_list: ") + std::strerror(errno), out;
  for (int i = 0; i < count; ++i) {
    const char* text = verbs.get_device_name(list[i]);
    const std::string name = text == nullptr ? "a device without a name" : text;
    out.devices.push_back(name);
    void* context = verbs.open_device(list[i]);
    if (context == nullptr) {
      out.broken.push_back(name + ": " + std::strerror(errno));
      continue;
    }
    if (out.registered == 0 && out.register_problem.empty()) try_to_register(verbs, context, bytes, out);
    verbs.close_device(context);
  }
  verbs.free_device_list(list);
  return out;  // the library stays loaded: its providers do not like to be unloaded
}

}  // namespace hadal

#include "hub/transfer_loop.h"

#include <curl/curl.h>

#include <algorithm>
#include <map>
#include <vector>

#include "net/curl_client.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kPausedWait = std::chrono::milliseconds(10);
constexpr long kReceiveBytes = 512 << 10;
constexpr size_t kMaxHeaderBytes = size_t{128} << 10;

using Easy = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Fields = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

struct Running {
  Transfer transfer;
  Easy easy{nullptr, &curl_easy_cleanup};
  Fields fields{nullptr, &curl_slist_free_all};
  HttpHeaders headers = {};
  size_t header_bytes = 0;
  int status = 0;
  bool refused = false;      // by a callback
  bool paused = false;       // the rate is used up
  double* budget = nullptr;  // bytes; null: no limit
  char error_text[CURL_ERROR_SIZE] = {};

  bool take_header(std::string_view line) {
    header_bytes += line.size();
    if (header_bytes > kMaxHeaderBytes) return false;
    if (line.starts_with("HTTP/")) {
      headers = {};
      return true;
    }
    while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
    if (line.empty()) return end_of_head();
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return true;
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
    headers.add(line.substr(0, colon), value);
    return true;
  }

  bool end_of_head() {
    long code = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &code);
    long connect_code = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_HTTP_CONNECTCODE, &connect_code);
    // "100 Continue", or the proxy's answer to CONNECT, is not the answer; nor are trailers after it.
    if (status != 0 || code < 200) return true;
    status = static_cast<int>(code);
    refused = transfer.on_head && !transfer.on_head(status, headers);
    return !refused;
  }

  // False: the request ends.
  bool take_data(std::string_view data) {
    if (budget != nullptr) *budget -= static_cast<double>(data.size());
    refused = refused || (transfer.on_data && !transfer.on_data(data));
    return !refused;
  }
};

extern "C" size_t hub_on_header(char* data, size_t, size_t count, void* running) {
  return static_cast<Running*>(running)->take_header({data, count}) ? count : count + 1;
}
extern "C" size_t hub_on_data(char* data, size_t, size_t count, void* context) {
  auto* running = static_cast<Running*>(context);
  running->paused = running->budget != nullptr && *running->budget <= 0;
  if (running->paused) return CURL_WRITEFUNC_PAUSE;
  return running->take_data({data, count}) ? count : count + 1;
}

bool is_permanent(CURLcode code) {
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return true;
    default:
      return false;
  }
}

std::string problem_text(CURLcode code, const char* error_text) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return "was silent or too slow for too long";
    case CURLE_COULDNT_CONNECT:
      // With a proxy it is the proxy's address that the text names.
      return std::string("does not accept connections (") + error_text + ")";
    case CURLE_COULDNT_RESOLVE_HOST:
      return "is no name that can be resolved: check the network and the name";
    case CURLE_COULDNT_RESOLVE_PROXY:
      return "cannot be reached: the proxy's name cannot be resolved (check --proxy and https_proxy)";
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
      return "closed the connection in the middle";
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      return "sends what is no HTTP";
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return certificate_problem(error_text);
    default:
      return std::string("failed: ") + (error_text[0] != '\0' ? error_text : curl_easy_strerror(code));
  }
}

}  // namespace

std::string certificate_problem(std::string_view curl_text) {
  const auto says = [&](std::string_view words) { return curl_text.find(words) != std::string_view::npos; };
  const std::string said = " (" + std::string(curl_text) + ")";
  if (says("error setting certificate"))
    return "cannot be verified: the file of --ca-file or SSL_CERT_FILE cannot be read" + said;
  if (says("expired") || says("not yet valid"))
    return "has a certificate that is not valid now" + said +
           ": whoever runs the server must renew it; check the clock of this machine too";
  if (says("subject name")) return "has a certificate for another name" + said + ": check the address";
  return "has a certificate that cannot be verified" + said +
         ": name the file of the CA that signed it with --ca-file or SSL_CERT_FILE";
}

struct TransferLoop::Impl {
  explicit Impl(TransferOptions o) : options(std::move(o)) {
    initialize_curl();
    multi = curl_multi_init();
    HADAL_CHECK(multi != nullptr) << "out of memory";
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(2 * options.max_connections + 4));
    // Ranges in parallel want connections of their own.
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  }

  ~Impl() {
    for (auto& [id, running] : all) curl_multi_remove_handle(multi, running->easy.get());
    all.clear();
    idle.clear();
    curl_multi_cleanup(multi);
  }

  Easy take_easy() {
    if (!idle.empty()) {
      Easy out = std::move(idle.back());
      idle.pop_back();
      curl_easy_reset(out.get());
      return out;
    }
    Easy out(curl_easy_init(), &curl_easy_cleanup);
    HADAL_CHECK(out != nullptr) << "out of memory";
    return out;
  }

  void set_options(Running& r) const {
    CURL* e = r.easy.get();
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_URL, r.transfer.url.c_str());
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    if (r.transfer.fresh_connection) curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
    // Dots in a path are part of an object's key.
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(low_speed()));
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME,
                     static_cast<long>(std::max<int64_t>(1, options.read_timeout.count() / 1000)));
    curl_easy_setopt(e, CURLOPT_USERAGENT, options.user_agent.c_str());
    if (r.transfer.direct) {
      curl_easy_setopt(e, CURLOPT_PROXY, "");
    } else if (!options.proxy.empty()) {
      curl_easy_setopt(e, CURLOPT_PROXY, options.proxy == "none" ? "" : options.proxy.c_str());
    } else if (!options.http_proxy.empty() && r.transfer.url.starts_with("http:")) {
      curl_easy_setopt(e, CURLOPT_PROXY, options.http_proxy.c_str());
    }
    curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, buffer_bytes());
    curl_easy_setopt(e, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, options.insecure ? 0L : 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, options.insecure ? 0L : 2L);
    if (!options.ca_file.empty()) curl_easy_setopt(e, CURLOPT_CAINFO, options.ca_file.c_str());
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, hub_on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, &r);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, hub_on_data);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, &r);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r.error_text);
    curl_easy_setopt(e, CURLOPT_PRIVATE, &r);
  }

  // A rate that we limit ourselves must not look like a silent server.
  int64_t low_speed() const {
    if (options.max_rate == 0) return options.min_rate;
    return std::max<int64_t>(1, std::min(options.min_rate, options.max_rate / options.max_connections / 4));
  }
  // What is not held back yet sits in this and in the sockets.
  long buffer_bytes() const {
    if (options.max_rate == 0) return kReceiveBytes;
    return static_cast<long>(std::clamp<int64_t>(options.max_rate / 20, 1024, kReceiveBytes));
  }

  // The bytes that may come now: a tenth of a second's at most are saved up.
  void refill() {
    if (options.max_rate == 0) return;
    const auto now = Clock::now();
    const double seconds = std::chrono::duration<double>(now - filled).count();
    filled = now;
    const auto rate = static_cast<double>(options.max_rate);
    budget = std::min(rate / 10, budget + seconds * rate);
    if (budget <= 0) return;
    for (auto& [id, running] : all) {
      if (!std::exchange(running->paused, false)) continue;
      // Calls the transfer's callbacks, which may pause it again.
      curl_easy_pause(running->easy.get(), CURLPAUSE_CONT);
      if (budget <= 0) return;
    }
  }

  bool any_paused() const {
    return std::any_of(all.begin(), all.end(), [](const auto& e) { return e.second->paused; });
  }

  static void take_proxy_refusal(const Running& ended, TransferEnd& end) {
    long status = 0;
    curl_easy_getinfo(ended.easy.get(), CURLINFO_HTTP_CONNECTCODE, &status);
    if (status < 300) return;
    end.permanent = status == 403 || status == 407;
    end.problem = "cannot be reached: the proxy answers " + std::to_string(status) + " " +
                  std::string(http_reason(static_cast<int>(status)));
  }

  void take_ended() {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      Running* running = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &running);
      const auto at =
          std::find_if(all.begin(), all.end(), [&](const auto& e) { return e.second.get() == running; });
      HADAL_CHECK(at != all.end());
      const std::unique_ptr<Running> ended = std::move(at->second);
      all.erase(at);
      curl_multi_remove_handle(multi, ended->easy.get());
      TransferEnd end;
      end.status = ended->status;
      end.ok = code == CURLE_OK;
      if (!end.ok && !ended->refused) {
        end.problem = problem_text(code, ended->error_text);
        end.permanent = is_permanent(code);
        take_proxy_refusal(*ended, end);
        if (code == CURLE_OPERATION_TIMEDOUT) end.code = ErrorCode::kDeadlineExceeded;
      }
      if (ended->refused) end.code = ErrorCode::kCancelled;
      const auto on_end = std::move(ended->transfer.on_end);
      idle.push_back(std::move(ended->easy));
      if (on_end) on_end(end);
    }
  }

  const TransferOptions options;
  CURLM* multi = nullptr;
  std::map<int64_t, std::unique_ptr<Running>> all;
  std::vector<Easy> idle;
  int64_t next_id = 1;
  double budget = 0;
  Clock::time_point filled = Clock::now();
};

TransferLoop::TransferLoop(TransferOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
TransferLoop::~TransferLoop() = default;

int64_t TransferLoop::start(Transfer transfer) {
  auto running = std::make_unique<Running>();
  running->transfer = std::move(transfer);
  running->easy = impl_->take_easy();
  if (impl_->options.max_rate > 0) running->budget = &impl_->budget;
  impl_->set_options(*running);
  curl_slist* list = nullptr;
  for (const auto& [name, value] : running->transfer.headers.fields()) {
    curl_slist* longer = curl_slist_append(list, (value.empty() ? name + ";" : name + ": " + value).c_str());
    if (longer != nullptr) list = longer;
  }
  running->fields.reset(list);
  curl_easy_setopt(running->easy.get(), CURLOPT_HTTPHEADER, list);
  const CURLMcode code = curl_multi_add_handle(impl_->multi, running->easy.get());
  HADAL_CHECK(code == CURLM_OK) << curl_multi_strerror(code);
  const int64_t id = impl_->next_id++;
  impl_->all[id] = std::move(running);
  return id;
}

void TransferLoop::cancel(int64_t id) {
  const auto at = impl_->all.find(id);
  if (at == impl_->all.end()) return;
  curl_multi_remove_handle(impl_->multi, at->second->easy.get());
  impl_->all.erase(at);
}

size_t TransferLoop::num_running() const {
  return impl_->all.size();
}

void TransferLoop::run_once(std::chrono::milliseconds wait) {
  int running = 0;
  impl_->refill();
  curl_multi_perform(impl_->multi, &running);
  impl_->take_ended();
  int ready = 0;
  if (impl_->any_paused()) wait = std::min(wait, kPausedWait);
  curl_multi_poll(impl_->multi, nullptr, 0, static_cast<int>(wait.count()), &ready);
  curl_multi_perform(impl_->multi, &running);
  impl_->take_ended();
}

void TransferLoop::wake() {
  curl_multi_wakeup(impl_->multi);
}

}  // namespace hadal

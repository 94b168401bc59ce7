import io.netty.channel.Channel;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpRequest;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.elasticsearch.ElasticsearchStatusException;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.common.bytes.BytesArray;
import org.elasticsearch.common.util.concurrent.ThreadContext;
import org.elasticsearch.http.HttpServerTransport.Dispatcher;
import org.elasticsearch.http.netty4.internal.HttpValidator;
import org.elasticsearch.rest.RestChannel;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;

/**
 * Lets a node's HTTP side answer one caller alone: who shows the Authorization that this start was given.
 *
 * It stands where the vendor's own security stands: as the validator it sees the head of each request, of every method and
 * path, before its body is read; as the dispatcher it sees what could not be read as HTTP. Everybody else gets 401 without a
 * body.
 */
public final class Guard implements HttpValidator, Dispatcher {
    /** The names under which a page or a program of this machine reaches it: any other was made to lead here. */
    private static final Set<String> NAMES = Set.of("127.0.0.1", "localhost");

    private final byte[] wanted;
    private final Dispatcher node;

    /** `authorization`: the whole value of the header. `node`: what answers whoever shows it. */
    public Guard(String authorization, Dispatcher node) {
        this.wanted = authorization.getBytes(StandardCharsets.UTF_8);
        this.node = node;
    }

    @Override
    public void validate(HttpRequest request, Channel channel, ActionListener<Void> listener) {
        HttpHeaders headers = request.headers();
        if (admits(headers.getAll("Authorization"), headers.getAll("Host"), headers.getAll("Origin"))) {
            listener.onResponse(null);
        } else {
            // Its body is dropped, and it comes to dispatchBadRequest.
            listener.onFailure(new ElasticsearchStatusException("not admitted", RestStatus.UNAUTHORIZED));
        }
    }

    @Override
    public void dispatchRequest(RestRequest request, RestChannel channel, ThreadContext context) {
        node.dispatchRequest(request, channel, context);
    }

    @Override
    public void dispatchBadRequest(RestChannel channel, ThreadContext context, Throwable cause) {
        Map<String, List<String>> headers = channel.request().getHeaders();
        if (admits(all(headers, "Authorization"), all(headers, "Host"), all(headers, "Origin"))) {
            node.dispatchBadRequest(channel, context, cause);
        } else {
            channel.sendResponse(new RestResponse(RestStatus.UNAUTHORIZED, RestResponse.TEXT_CONTENT_TYPE, BytesArray.EMPTY));
        }
    }

    private boolean admits(List<String> authorization, List<String> host, List<String> origin) {
        return authorization.size() == 1
            && MessageDigest.isEqual(authorization.get(0).getBytes(StandardCharsets.UTF_8), wanted)
            && host.size() == 1
            && NAMES.contains(host.get(0).replaceFirst(":[0-9]+$", ""))
            // Programs send none, pages of other sites do.
            && origin.isEmpty();
    }

    private static List<String> all(Map<String, List<String>> headers, String name) {
        return headers.entrySet().stream()
            .filter(each -> each.getKey().equalsIgnoreCase(name))
            .flatMap(each -> each.getValue().stream())
            .toList();
    }
}

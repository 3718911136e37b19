root=/tmp/www
mkdir -p $root
echo "${GREETING:-Hello} from $(hostname)" > $root/index.html
echo ok > $root/healthz
trap 'kill $server; exit 0' TERM INT
echo "Serving on port ${PORT:-80}"
httpd -f -v -p "${PORT:-80}" -h $root &
server=$!
wait $server
